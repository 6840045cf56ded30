import { readSysctl, writeSysctl } from "./sysctl.ts";

/**
 * net.ipv4.ip_local_reserved_ports: ports the kernel does not hand to outgoing connections by itself. A host port
 * inside the ephemeral range would be taken by one of the host's own some day, which dp_dnat would then break.
 */
const RESERVED_PORTS = "ipv4/ip_local_reserved_ports";

/** Parses "80,1000-1010". What is no port or range is left out. */
export function parsePorts(text: string): Set<number> {
  const ports = new Set<number>();
  for (const part of text.split(",")) {
    const [, first, last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    if (first === undefined) continue;
    for (let port = Number(first); port <= Math.min(Number(last), 65535); port++) ports.add(port);
  }
  return ports;
}

/** The kernel's own way of writing a set of ports: ascending, neighbours joined to ranges. */
export function formatPorts(ports: ReadonlySet<number>): string {
  const ranges: [first: number, last: number][] = [];
  for (const port of [...ports].sort((one, other) => one - other)) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] === port - 1) range[1] = port;
    else ranges.push([port, port]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** All that are reserved now. */
export function reservedPorts(): Set<number> {
  return parsePorts(readSysctl(RESERVED_PORTS) ?? "");
}

/** One that is reserved before it is given to a server is somebody else's: not ours to release. */
export function isReserved(port: number): boolean {
  return reservedPorts().has(port);
}

/** Adds a port to those that are there. */
export function reservePort(port: number): void {
  const ports = reservedPorts();
  writeSysctl(RESERVED_PORTS, formatPorts(ports.add(port)), `reserve port ${port}`);
}

/** Takes a port out again; all others stay. */
export function releasePort(port: number): void {
  const ports = reservedPorts();
  if (!ports.delete(port)) return;
  // The kernel takes an empty list as a line of its own.
  writeSysctl(RESERVED_PORTS, `${formatPorts(ports)}\n`, `release port ${port}`);
}
