import type { ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { openServerNetns } from "./container-processes.ts";
import type { HostOptions } from "./host-options.ts";
import { label } from "./server.ts";
import { messageOf, type Transaction } from "./transaction.ts";

/**
 * A server's interfaces have their uplink's MTU, unless it was added with one of its own. When the uplink has another
 * one by now, both ends of the veth pair get it too. What is too long for the new one, TCP finds out by itself.
 */
export function followMtu(
  transaction: Transaction,
  netlink: Netlink,
  record: ServerRecord,
  uplink: number,
  options: HostOptions,
  op: string,
): void {
  const { hostPeer, podPeer } = record.veth;
  const mtu = netlink.link(uplink)?.mtu;
  const old = netlink.link(hostPeer.iface.index)?.mtu;
  if (record.mtu !== undefined || mtu === undefined || old === undefined || mtu === old) return;
  transaction.step(
    `MTU inside of server ${record.hostPort}`,
    () => setInside(mtu),
    () => setInside(old),
  );
  transaction.step(
    `MTU of ${hostPeer.iface.name}`,
    () => netlink.setLink(hostPeer.iface.index, { mtu }),
    () => netlink.setLink(hostPeer.iface.index, { mtu: old }),
  );

  /** A container that cannot be entered keeps its own. */
  function setInside(value: number): void {
    try {
      using netns = openServerNetns(record, op);
      using inside = Netlink.open({ netns });
      inside.setLink(podPeer.iface.index, { mtu: value });
    } catch (error) {
      options.warn?.(`the MTU inside of ${label(record)} stays as it was: ${messageOf(error)}`);
    }
  }
}
