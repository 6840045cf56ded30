import type { Objects, ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { openServerNetns } from "../container/processes.ts";
import { isHostPeer } from "./server.ts";

/**
 * The interface a server's container is entered by, if it is still there: whatever its name and MAC are by now, and
 * never another one that has its index.
 *
 * @param link the interface under the record's index
 */
export function presentHostPeer(objects: Objects, record: ServerRecord, link: Link | undefined): Link | undefined {
  if (link === undefined) return undefined;
  const { hostPeer, podPeer } = record.veth;
  // The kernel takes the entry out with the interface: as long as it is there, this is the one.
  if (objects.getHostPeer(podPeer.addr) === hostPeer.iface.index) return link;
  return isHostPeer(link, record) && leadsToContainer(link, record) ? link : undefined;
}

/** As {@link presentHostPeer}, where the interface was not read yet. */
export function findHostPeer(objects: Objects, record: ServerRecord, host: Netlink): Link | undefined {
  const { index } = record.veth.hostPeer.iface;
  return presentHostPeer(objects, record, index === 0 ? undefined : host.link(index));
}

/** For what is taken by a server whose container ended, or was started anew. */
export function goneHint(objects: Objects, record: ServerRecord, host: Netlink): string | undefined {
  if (findHostPeer(objects, record, host) !== undefined) return undefined;
  return `its container is gone: dp del-server --name ${record.name}`;
}

/** For one whose entry was lost, with the pin of its map: its other end has to be in the container. */
function leadsToContainer({ index }: Link, record: ServerRecord): boolean {
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    const peer = inside.link(record.veth.podPeer.iface.index);
    return peer?.kind === "veth" && peer.peerIndex === index;
  } catch {
    // Out of reach, with everything else as it was: alive is what it is taken for.
    return true;
  }
}
