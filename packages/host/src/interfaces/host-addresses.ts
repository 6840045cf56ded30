import type { Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";

/** An IPv4 address of the host itself: host peers' and loopback's are none. */
export interface HostAddress {
  address: string;
  prefix: number;
  ifindex: number;
  scope: string | number;
}

/** @param records all servers there are: their host peers' addresses are left out */
export function hostAddresses(netlink: Netlink, records: readonly ServerRecord[]): HostAddress[] {
  const hostPeers = new Set(records.map((record) => record.veth.hostPeer.addr));
  return netlink
    .addresses({ family: "inet" })
    .filter(({ address, prefix }) => !address.startsWith("127.") && !(prefix === 32 && hostPeers.has(address)))
    .map(({ address, prefix, ifindex, scope }) => ({ address, prefix, ifindex, scope }));
}

/** Lets servers' replies to the host itself reach it at the addresses it has now. */
export function refreshHostAddresses(objects: Objects, addresses: readonly HostAddress[]): void {
  objects.setHostAddresses(addresses.map(({ address, ifindex }) => ({ address, ifindex })));
}
