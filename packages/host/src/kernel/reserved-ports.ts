import type { Objects } from "@dp/core";
import { PortSet } from "./port-set.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/**
 * net.ipv4.ip_local_reserved_ports: ports that the kernel does not give to outgoing connections, TCP and UDP alike. A
 * public port inside the ephemeral range would sooner or later be taken by a connection of the host, which dp_dnat
 * would then break.
 */
const RESERVED_PORTS = "ipv4/ip_local_reserved_ports";

/** All that are reserved now. */
export function reservedPorts(): PortSet {
  return PortSet.parse(readSysctl(RESERVED_PORTS) ?? "");
}

/**
 * Reserves ports. Those that were not reserved before are noted first: only they are released again, so that what the
 * operator reserved stays.
 */
export function reservePorts(objects: Objects, ports: readonly number[]): void {
  const reserved = reservedPorts();
  const missing = ports.filter((port) => !reserved.has(port));
  if (missing.length === 0) return;
  objects.reservedPorts.add(missing);
  reserved.addMany(missing);
  writeSysctl(RESERVED_PORTS, reserved.toString(), `reserve ${portsText(missing)}`);
}

/** Releases those of the ports that {@link reservePorts} reserved. All others stay. */
export function releasePorts(objects: Objects, ports: readonly number[]): void {
  const own = ports.filter((port) => objects.reservedPorts.has(port));
  if (own.length === 0) return;
  const reserved = reservedPorts();
  // Ports that could not be reserved are noted all the same.
  if (own.some((port) => reserved.has(port))) {
    reserved.deleteMany(own);
    // The kernel takes an empty list as a line of its own.
    writeSysctl(RESERVED_PORTS, `${reserved.toString()}\n`, `release ${portsText(own)}`);
  }
  objects.reservedPorts.remove(own);
}

function portsText(ports: readonly number[]): string {
  const set = new PortSet();
  set.addMany(ports);
  return `${ports.length === 1 ? "port" : "ports"} ${set.toString()}`;
}
