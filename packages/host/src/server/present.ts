import type { Objects, ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { openServerNetns } from "../container/processes.ts";
import { isHostPeer } from "./server.ts";

/**
 * The host peer of a server, if it is still there: whatever its name and MAC are by now, and never another interface
 * with its index.
 *
 * @param link the interface with the recorded index
 */
export function presentHostPeer(objects: Objects, record: ServerRecord, link: Link | undefined): Link | undefined {
  if (link === undefined) return undefined;
  if (vouchedHostPeer(objects, record)) return link;
  return isHostPeer(link, record) && leadsToContainer(link, record) ? link : undefined;
}

/**
 * Whether the kernel vouches for the recorded index: it removes the host peer entry when the interface is deleted, so
 * while the entry has that index, the interface is the server's.
 */
export function vouchedHostPeer(objects: Objects, { id, hostPeer }: ServerRecord): boolean {
  return hostPeer.ifindex !== 0 && objects.hostPeers.get(id) === hostPeer.ifindex;
}

/**
 * Whether packets of the container still arrive by its host peer: removing the server did not delete the interface.
 * Then its programs and their entries stay, so that nothing passes unchecked.
 */
export function isStillUp(objects: Objects, host: Netlink, record: ServerRecord): boolean {
  return vouchedHostPeer(objects, record) && host.link(record.hostPeer.ifindex)?.up === true;
}

/**
 * Whether the host peer of a server is still there; see {@link presentHostPeer}. Fast for many servers: the interface
 * is read only when the kernel does not vouch for it.
 */
export function hasHostPeer(objects: Objects, record: ServerRecord, host: Netlink): boolean {
  if (vouchedHostPeer(objects, record)) return true;
  const { ifindex } = record.hostPeer;
  return ifindex !== 0 && presentHostPeer(objects, record, host.link(ifindex)) !== undefined;
}

/** A hint for a conflict with a server whose container ended or was restarted; undefined when it is there. */
export function goneHint(objects: Objects, record: ServerRecord, host: Netlink): string | undefined {
  if (hasHostPeer(objects, record, host)) return undefined;
  return `its container is gone: dp del-server ${record.name}`;
}

/** For a server whose host peer entry was lost, with the pin of its map: the container peer has to be the other end. */
function leadsToContainer({ index }: Link, record: ServerRecord): boolean {
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    const peer = inside.link(record.containerPeer.ifindex);
    return peer?.kind === "veth" && peer.peerIndex === index;
  } catch {
    // The namespace cannot be entered, and all else is as it was: the server counts as present.
    return true;
  }
}
