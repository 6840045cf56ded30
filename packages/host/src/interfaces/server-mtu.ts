import type { ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { openServerNetns } from "../container/processes.ts";
import type { HostOptions } from "../host-options.ts";
import { label } from "../server/server.ts";
import { messageOf, type Transaction } from "../transaction.ts";

/**
 * What a server's interfaces should have as their MTU, if that is not what they have: their uplink's, unless the server
 * was added with one of its own. What is too long for a new one, TCP finds out by itself.
 */
export function outdatedMtu(
  record: ServerRecord,
  uplink: Link | undefined,
  hostPeer: Link | undefined,
): { was: number; is: number } | undefined {
  if (record.mtu !== undefined || uplink === undefined || hostPeer === undefined) return undefined;
  return uplink.mtu === hostPeer.mtu ? undefined : { was: hostPeer.mtu, is: uplink.mtu };
}

/** Gives both ends of the veth pair their uplink's MTU; taken back with the transaction. */
export function followMtu(
  transaction: Transaction,
  netlink: Netlink,
  record: ServerRecord,
  uplink: number,
  options: HostOptions,
): void {
  const { iface } = record.veth.hostPeer;
  const outdated = outdatedMtu(record, netlink.link(uplink), netlink.link(iface.index));
  if (outdated === undefined) return;
  const { was, is } = outdated;
  transaction.step(
    `MTU inside of server ${record.hostPort}`,
    () => setMtuInside(record, is, options),
    () => setMtuInside(record, was, options),
  );
  transaction.step(
    `MTU of ${iface.name}`,
    () => netlink.setLink(iface.index, { mtu: is }),
    () => netlink.setLink(iface.index, { mtu: was }),
  );
}

/** Of both ends of the veth pair. */
export function setMtu(netlink: Netlink, record: ServerRecord, mtu: number, options: HostOptions): void {
  setMtuInside(record, mtu, options);
  netlink.setLink(record.veth.hostPeer.iface.index, { mtu });
}

/** A container that cannot be entered keeps its own. */
function setMtuInside(record: ServerRecord, mtu: number, options: HostOptions): void {
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    inside.setLink(record.veth.podPeer.iface.index, { mtu });
  } catch (error) {
    options.warn?.(`the MTU inside of ${label(record)} stays as it was: ${messageOf(error)}`);
  }
}
