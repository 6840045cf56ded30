import type { Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";

/** An IPv4 address of the host itself, host peers' and loopback's left out. */
export interface HostAddress {
  address: string;
  prefix: number;
  ifindex: number;
  scope: string | number;
}

/** @param records of all servers: their gateways' addresses are left out */
export function hostAddresses(netlink: Netlink, records: readonly ServerRecord[]): HostAddress[] {
  const hostPeers = new Set(records.flatMap(({ addresses }) => addresses.ipv4?.gateway ?? []));
  return netlink
    .addresses({ family: "inet" })
    .filter(({ address, prefix }) => !address.startsWith("127.") && !(prefix === 32 && hostPeers.has(address)))
    .map(({ address, prefix, ifindex, scope }) => ({ address, prefix, ifindex, scope }));
}

/** Tells the programs the host's addresses, so that replies to them reach the host. */
export function refreshHostAddresses(objects: Objects, addresses: readonly HostAddress[]): void {
  objects.hostAddresses.set(addresses.map(({ address, ifindex }) => ({ address, ifindex })));
}
