import { readSysctl } from "./sysctl.ts";

/** A range of ports; both ends are included. */
export type PortRange = readonly [first: number, last: number];

/**
 * net.ipv4.ip_local_port_range of the calling thread's network namespace: the kernel chooses the local ports of
 * outgoing connections from it, except reserved ones.
 */
export function ephemeralRange(): PortRange {
  return parsePortRange(readSysctl("ipv4/ip_local_port_range") ?? "") ?? [32768, 60999];
}

/** Parses "32768\t60999". */
export function parsePortRange(text: string): PortRange | undefined {
  const [, first, last] = /^\s*(\d+)\s+(\d+)\s*$/.exec(text) ?? [];
  return first === undefined || last === undefined ? undefined : [Number(first), Number(last)];
}

export function inRange(port: number, [first, last]: PortRange): boolean {
  return port >= first && port <= last;
}

/** The ports that are in both ranges; undefined when there are none. */
export function overlap(one: PortRange, other: PortRange): PortRange | undefined {
  const first = Math.max(one[0], other[0]);
  const last = Math.min(one[1], other[1]);
  return first <= last ? [first, last] : undefined;
}
