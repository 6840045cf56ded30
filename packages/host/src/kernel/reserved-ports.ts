import { PortSet } from "./port-set.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/**
 * net.ipv4.ip_local_reserved_ports: ports the kernel does not hand to outgoing connections by itself. A host port
 * inside the ephemeral range would be taken by one of the host's own some day, which dp_dnat would then break.
 */
const RESERVED_PORTS = "ipv4/ip_local_reserved_ports";

/** All that are reserved now. */
export function reservedPorts(): PortSet {
  return PortSet.parse(readSysctl(RESERVED_PORTS) ?? "");
}

/** One that is reserved before it is given to a server is somebody else's: not ours to release. */
export function isReserved(port: number): boolean {
  return reservedPorts().has(port);
}

/** Adds a port to those that are there. */
export function reservePort(port: number): void {
  const ports = reservedPorts();
  ports.add(port);
  writeSysctl(RESERVED_PORTS, ports.toString(), `reserve port ${port}`);
}

/** Takes a port out again; all others stay. */
export function releasePort(port: number): void {
  const ports = reservedPorts();
  if (!ports.delete(port)) return;
  // The kernel takes an empty list as a line of its own.
  writeSysctl(RESERVED_PORTS, `${ports.toString()}\n`, `release port ${port}`);
}
