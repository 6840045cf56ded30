import { interfaceName } from "../interface.ts";
import type { Containers } from "./containers.ts";
import type { HostPeers } from "./host-peers.ts";
import type { Uplinks } from "./uplinks.ts";

/** How many servers are looked at, to tell whether what is loaded is for this network namespace. */
const WITNESSES = 8;

/**
 * The ifindex of an interface in use that is not in the calling thread's network namespace: what is loaded is for
 * another one. The kernel takes an interface out of dp_uplinks and dp_host_peers when it is deleted or moves to another
 * namespace. So an interface that is in one of them, and not here, is elsewhere. undefined when there is none among the
 * uplinks and the host peers of the first few servers: an index may be another interface's here, but not all of them.
 */
export function foreignInterface(uplinks: Uplinks, containers: Containers, hostPeers: HostPeers): number | undefined {
  // In this order: an interface that is deleted meanwhile says nothing any more.
  const isElsewhere = (index: number, isThere: () => boolean) => interfaceName(index) === undefined && isThere();
  const uplink = uplinks.all().find((index) => isElsewhere(index, () => uplinks.all().includes(index)));
  if (uplink !== undefined) return uplink;
  const servers = containers.some(WITNESSES).map(([, entry]) => entry);
  return servers.find(({ server, hostPeer }) => isElsewhere(hostPeer, () => hostPeers.get(server) === hostPeer))
    ?.hostPeer;
}
