import { serverLabel } from "@dp/core";
import { HOST_PEER_MAC } from "../interfaces/veth-pair.ts";
import type { Verdict } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** All containers send to the same gateway MAC, so that a container can be restored on another host. */
export function checkHostPeers({ records, netlink }: HostView): Verdict {
  const links = new Map(netlink.links().map((link) => [link.name, link]));
  const findings = records.flatMap((record) => {
    const { id, name, hostPeer } = record;
    const link = links.get(hostPeer.name);
    if (link === undefined || link.mac === HOST_PEER_MAC) return [];
    const mac = `the MAC ${link.mac} instead of ${HOST_PEER_MAC}`;
    const what = `${link.name} of ${serverLabel(record)} has ${mac}: what its container sends to the host is dropped`;
    // Not `ip link set`: when the MAC changed, the kernel also dropped the neighbour entry of the container.
    const fix = "dp repair, or dp load";
    return [{ code: "host-peer-mac", severity: "error", server: { id, name }, what, fix } as const];
  });
  if (findings.length > 0) return findings;
  return records.length === 0 ? "there are no servers" : "all have the MAC they were made with";
}
