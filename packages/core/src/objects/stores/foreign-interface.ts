import { interfaceName } from "../interface.ts";
import type { HostPeers } from "./host-peers.ts";
import type { Uplinks } from "./uplinks.ts";

/** How many host peers are asked for, to tell whether what is loaded is for this network namespace. */
const WITNESSES = 8;

/**
 * The ifindex of an interface in use that is not in the calling thread's network namespace: what is loaded is for
 * another one. The kernel takes an interface out of these maps when it is deleted or moves to another namespace. So an
 * interface that is in a map, and not here, is elsewhere. undefined when there is none among the uplinks and the first
 * few host peers: an index may be another interface's here, but not all of them.
 */
export function foreignInterface(uplinks: Uplinks, hostPeers: HostPeers): number | undefined {
  // In this order: an interface that is deleted meanwhile says nothing any more.
  const isElsewhere = (index: number, isThere: () => boolean) => interfaceName(index) === undefined && isThere();
  const uplink = uplinks.all().find((index) => isElsewhere(index, () => uplinks.all().includes(index)));
  if (uplink !== undefined) return uplink;
  return hostPeers.some(WITNESSES).find(([id, index]) => isElsewhere(index, () => hostPeers.get(id) === index))?.[1];
}
