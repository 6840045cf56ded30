import type { Subnet } from "./subnet.ts";

/** Whether a container or host peer may have the address at `index`. */
export function isHostIndex(subnet: Subnet, index: number | undefined): index is number {
  return index !== undefined && index >= 1 && index < subnet.size - 1;
}

/** Something free: an index, a port. */
export interface Free {
  value: number;
  /** Where the next search may begin: everything below is servers' once this one is. */
  freeFrom: number;
}

/**
 * The lowest of a range, both ends included, that nobody has; undefined when there is none left.
 *
 * @param owner of each: what others than servers have may become free without anybody being told
 */
export function lowestFree(
  [first, last]: readonly [first: number, last: number],
  owner: (value: number) => "server" | "other" | undefined,
): Free | undefined {
  let othersFrom: number | undefined;
  for (let value = first; value <= last; value++) {
    const of = owner(value);
    if (of === undefined) return { value, freeFrom: othersFrom ?? value + 1 };
    if (of === "other") othersFrom ??= value;
  }
  return undefined;
}

/** A container peer's MAC: its IPv4 address behind 0a:58, so that it is as unique as the address. */
export function containerMac(address: string): string {
  return ["0a", "58", ...address.split(".").map((octet) => Number(octet).toString(16).padStart(2, "0"))].join(":");
}
