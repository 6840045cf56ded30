import type { Objects, ServerRecord } from "@dp/core";

/** The ports of all public endpoints of a server, ascending, each once. */
export function publicPorts({ forwards }: Pick<ServerRecord, "forwards">): number[] {
  const ports = forwards.flatMap(({ port, count }) => Array.from({ length: count }, (_, index) => port + index));
  return [...new Set(ports)].sort((one, other) => one - other);
}

/**
 * Finds the ids of the servers that have a port, on any address of the host and with any protocol. The number of
 * look-ups does not grow with the number of servers.
 */
export function portOwners(objects: Objects): (port: number) => number[] {
  const own = objects.hostAddresses.all().map(({ address }) => address);
  const defaults = Object.values(objects.settings.get()?.publicAddresses ?? {});
  const addresses = [...new Set([...defaults, ...own])];
  return (port) => {
    const ids = addresses.flatMap((address) =>
      (["tcp", "udp"] as const).flatMap((protocol) => objects.endpoints.get({ protocol, address, port })?.server ?? []),
    );
    return [...new Set(ids)];
  };
}
