import type { Subnet } from "./subnet.ts";

/**
 * The lowest index at which both subnets have a free address, so that a server's two addresses end alike. The network's
 * own and the broadcast address are never given out.
 *
 * @param taken dotted addresses that are in use, of either subnet
 * @returns undefined when there is none left
 */
export function lowestFreeIndex(host: Subnet, container: Subnet, taken: ReadonlySet<string>): number | undefined {
  const end = Math.min(host.size, container.size) - 1;
  for (let index = 1; index < end; index++) {
    if (!taken.has(host.at(index)) && !taken.has(container.at(index))) return index;
  }
  return undefined;
}

/** Whether a container or host peer may have the address at `index`. */
export function isHostIndex(subnet: Subnet, index: number | undefined): index is number {
  return index !== undefined && index >= 1 && index < subnet.size - 1;
}

/** The lowest port of a range, both ends included, that nobody has; undefined when there is none left. */
export function lowestFreePort(
  [first, last]: readonly [first: number, last: number],
  taken: (port: number) => boolean,
): number | undefined {
  for (let port = first; port <= last; port++) if (!taken(port)) return port;
  return undefined;
}

/** A container peer's MAC: its IPv4 address behind 0a:58, so that it is as unique as the address. */
export function containerMac(address: string): string {
  return ["0a", "58", ...address.split(".").map((octet) => Number(octet).toString(16).padStart(2, "0"))].join(":");
}
