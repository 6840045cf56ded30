import { type Forward, type Objects, serverLabel, type ServerRecord } from "@dp/core";
import { type Link, Netlink } from "@dp/netlink";
import { openServerNetns } from "../container/processes.ts";
import type { HostOptions } from "../host-options.ts";
import { messageOf, type Transaction } from "../transaction.ts";

/** MTUs of a server that differ from those of its uplinks. */
export interface OutdatedMtu {
  /** Of the host peer, in bytes. */
  was: number;
  /** What it should be. */
  is: number;
  /** The forwards with the MTUs of their uplinks. */
  forwards: readonly Forward[];
}

/**
 * The MTU that a server's peers should have, if it differs from the one they have: the smallest of the uplinks, unless
 * the server was added with an MTU. TCP adapts to a new MTU.
 */
export function outdatedMtu(
  record: ServerRecord,
  uplinks: readonly Link[],
  hostPeer: Link | undefined,
): OutdatedMtu | undefined {
  if (hostPeer === undefined) return undefined;
  const forwards = record.forwards.map((forward) => {
    const uplink = uplinks.find(({ index }) => index === forward.uplink);
    return uplink === undefined ? forward : { ...forward, mtu: uplink.mtu };
  });
  const is = record.mtu ?? smallestMtu(forwards);
  const changed = forwards.some(({ mtu }, index) => mtu !== record.forwards[index]?.mtu);
  return is === undefined || (is === hostPeer.mtu && !changed) ? undefined : { was: hostPeer.mtu, is, forwards };
}

/** The MTU of a server's peers, in bytes; undefined without forwards. */
export function smallestMtu(forwards: readonly Pick<Forward, "mtu">[]): number | undefined {
  return forwards.length === 0 ? undefined : Math.min(...forwards.map(({ mtu }) => mtu));
}

/** What {@link setMtu} works with. */
export interface MtuContext {
  objects: Objects;
  netlink: Netlink;
  options: HostOptions;
}

/** Gives both peers their uplinks' MTU; undone with the transaction. */
export function followMtu(
  transaction: Transaction,
  context: MtuContext,
  record: ServerRecord,
  uplinks: readonly Link[],
) {
  const { netlink } = context;
  const outdated = outdatedMtu(record, uplinks, netlink.link(record.hostPeer.ifindex));
  if (outdated === undefined) return;
  transaction.step(
    `MTU of ${record.hostPeer.name}`,
    () => setMtu(context, record, outdated),
    () => setMtu(context, record, { is: outdated.was, forwards: record.forwards }),
  );
}

/** Sets the MTU of both peers, and records those of the forwards. */
export function setMtu(context: MtuContext, record: ServerRecord, { is, forwards }: Omit<OutdatedMtu, "was">): void {
  const { objects, netlink } = context;
  setMtuInside(context, record, is);
  netlink.setLink(record.hostPeer.ifindex, { mtu: is });
  const stored = objects.records.get(record.id);
  if (stored !== undefined) objects.records.set({ ...stored, forwards }, "replace");
}

/** A container that cannot be entered keeps its MTU. */
function setMtuInside({ options }: MtuContext, record: ServerRecord, mtu: number): void {
  try {
    using netns = openServerNetns(record);
    using inside = Netlink.open({ netns });
    inside.setLink(record.containerPeer.ifindex, { mtu });
  } catch (error) {
    options.warn?.(`the MTU inside the container of ${serverLabel(record)} stays as it is: ${messageOf(error)}`);
  }
}
