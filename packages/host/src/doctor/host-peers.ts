import { HOST_PEER_MAC } from "../interfaces/veth-pair.ts";
import { label } from "../server/server.ts";
import type { Verdict } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** All containers send to the same gateway MAC, so that a container can be restored on another host. */
export function checkHostPeers({ records, netlink }: HostView): Verdict {
  const links = new Map(netlink.links().map((link) => [link.name, link]));
  const findings = records.flatMap((record) => {
    const { hostPort: port, name, veth } = record;
    const link = links.get(veth.hostPeer.iface.name);
    if (link === undefined || link.mac === HOST_PEER_MAC) return [];
    const mac = `the MAC ${link.mac} instead of ${HOST_PEER_MAC}`;
    const what = `${link.name} of ${label(record)} has ${mac}: what its container sends to the host is dropped`;
    // Not `ip link set`: when the MAC changed, the kernel also dropped the neighbour entry of the container.
    const fix = "dp gc, or dp load";
    return [{ code: "host-peer-mac", severity: "error", server: { port, name }, what, fix } as const];
  });
  if (findings.length > 0) return findings;
  return records.length === 0 ? "there are no servers" : "all have the MAC they were made with";
}
