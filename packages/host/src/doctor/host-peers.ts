import { label } from "../server.ts";
import { HOST_PEER_MAC } from "../veth-pair.ts";
import type { Verdict } from "./check.ts";
import type { Patient } from "./patient.ts";

/** By name: one with another MAC is taken for another interface by everything else. */
export function checkHostPeers({ records, netlink }: Patient): Verdict {
  const links = new Map(netlink.links().map((link) => [link.name, link]));
  const findings = records.flatMap((record) => {
    const { hostPort: port, name, veth } = record;
    const link = links.get(veth.hostPeer.iface.name);
    if (link === undefined || link.mac === HOST_PEER_MAC) return [];
    const mac = `the MAC ${link.mac} instead of ${HOST_PEER_MAC}`;
    const what = `${link.name} of ${label(record)} has ${mac}: nothing gets in or out`;
    // Not dp gc: it would take the server away, as if its interface were gone.
    const fix = `ip link set dev ${link.name} address ${HOST_PEER_MAC}, before the next dp gc`;
    return [{ code: "host-peer-mac", severity: "error", server: { port, name }, what, fix } as const];
  });
  if (findings.length > 0) return findings;
  return records.length === 0 ? "there are no servers" : "all have the MAC they were made with";
}
