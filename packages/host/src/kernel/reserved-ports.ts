import { PortSet } from "./port-set.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/**
 * net.ipv4.ip_local_reserved_ports: ports the kernel does not choose for outgoing connections. Without it, a connection
 * of the host could get a server's port inside the ephemeral range, and dp_dnat would break it.
 */
const RESERVED_PORTS = "ipv4/ip_local_reserved_ports";

/** All ports that are reserved now. */
export function reservedPorts(): PortSet {
  return PortSet.parse(readSysctl(RESERVED_PORTS) ?? "");
}

/** A port that was reserved before a server got it belongs to the operator: `dp` never releases it. */
export function isReserved(port: number): boolean {
  return reservedPorts().has(port);
}

/** Reserves a port, beside those already reserved. */
export function reservePort(port: number): void {
  const ports = reservedPorts();
  ports.add(port);
  writeSysctl(RESERVED_PORTS, ports.toString(), `reserve port ${port}`);
}

/** Releases a port; all others stay reserved. */
export function releasePort(port: number): void {
  const ports = reservedPorts();
  if (!ports.delete(port)) return;
  // An empty list is written as an empty line: the kernel ignores a write without bytes.
  writeSysctl(RESERVED_PORTS, `${ports.toString()}\n`, `release port ${port}`);
}
