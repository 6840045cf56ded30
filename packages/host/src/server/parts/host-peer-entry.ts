import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/**
 * The dp_host_peers entry: the interface that players' packets are redirected to. The kernel removes it with the
 * interface.
 */
export const hostPeerEntry: ServerPart = {
  name: "host peer entry",
  add: ({ objects, record }) => objects.hostPeers.set(record.id, record.hostPeer.ifindex),
  remove: ({ objects, record }) => objects.hostPeers.delete(record.id),
  check({ objects }, record) {
    const { ifindex } = record.hostPeer;
    if (objects.hostPeers.get(record.id) === ifindex) return [];
    const what = "no packet is sent to its container: the host peer entry is missing or wrong";
    const remedy = repairBy(() => objects.hostPeers.set(record.id, ifindex));
    return [serverProblem(record, { code: "missing-host-peer-entry", severity: "error", what }, remedy)];
  },
  orphans({ objects, ids }) {
    return objects.hostPeers.all().flatMap(([server, ifindex]) => {
      if (ids.has(server)) return [];
      const what = `orphaned host peer entry: server ${server}, interface ${ifindex}`;
      const remedy = removeBy(() => objects.hostPeers.delete(server));
      return problem({ code: "orphaned-host-peer", severity: "error", what }, remedy);
    });
  },
};
