import type { Objects, ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { openServerNetns } from "../container/processes.ts";

/**
 * The host peer of a server; undefined when it is gone. An interface with another name or MAC may be the host peer; one
 * that only has the same index is not.
 *
 * @param link the interface with the recorded index
 */
export function presentHostPeer(objects: Objects, record: ServerRecord, link: Link | undefined): Link | undefined {
  if (link === undefined) return undefined;
  if (hasHostPeerEntry(objects, record)) return link;
  return isAsCreated(link, record) && leadsToContainer(link, record) ? link : undefined;
}

/**
 * Whether the host peer entry has the recorded index. The kernel removes the entry when the interface is deleted. So
 * while the entry exists, the interface with this index is the server's.
 */
export function hasHostPeerEntry(objects: Objects, { id, hostPeer }: ServerRecord): boolean {
  return hostPeer.ifindex !== 0 && objects.hostPeers.get(id) === hostPeer.ifindex;
}

/**
 * Whether packets of the container still arrive by its host peer, because the interface could not be deleted when the
 * server was removed. Then its programs and their entries stay, so that no packet passes unchecked.
 */
export function isStillUp(objects: Objects, host: Netlink, record: ServerRecord): boolean {
  return hasHostPeerEntry(objects, record) && host.link(record.hostPeer.ifindex)?.up === true;
}

/**
 * Whether the host peer of a server is still there; see {@link presentHostPeer}. Fast for many servers: the interface
 * is read only when the kernel does not vouch for it.
 */
export function hasHostPeer(objects: Objects, record: ServerRecord, host: Netlink): boolean {
  if (hasHostPeerEntry(objects, record)) return true;
  const { ifindex } = record.hostPeer;
  return ifindex !== 0 && presentHostPeer(objects, record, host.link(ifindex)) !== undefined;
}

/** A hint for a conflict with a server whose container ended or was restarted; undefined when the container exists. */
export function goneHint(objects: Objects, record: ServerRecord, host: Netlink): string | undefined {
  if (hasHostPeer(objects, record, host)) return undefined;
  return `its container is gone: dp del-server ${record.name}`;
}

/** Whether an interface has the name and the MAC that a server's host peer is created with. */
export function isAsCreated({ kind, name, mac }: Link, { hostPeer }: ServerRecord): boolean {
  return kind === "veth" && name === hostPeer.name && mac === hostPeer.mac;
}

/** Whether the other end of the veth pair is the recorded container peer. For a server without a host peer entry. */
function leadsToContainer({ index }: Link, record: ServerRecord): boolean {
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    const peer = inside.link(record.containerPeer.ifindex);
    return peer?.kind === "veth" && peer.peerIndex === index;
  } catch {
    // The namespace cannot be entered. Name and MAC match, so the server counts as present.
    return true;
  }
}
