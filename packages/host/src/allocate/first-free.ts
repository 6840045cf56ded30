import type { FreeFrom, HostConfig, Objects, ServerRecord, Settings } from "@dp/core";
import { publicPorts } from "../server/ports.ts";
import { ipv4Subnets, positionIn } from "./subnet.ts";

/** Position of an address in its subnet: 0 is the network's own address. */
export const FIRST_POSITION = 1;

type FreeIn = Pick<FreeFrom, "address" | "port">;

/**
 * Where the searches for a port and for addresses begin. Servers have all lower ones, so a search with ten thousand
 * servers takes no longer than with ten. The stores of ids and counters do the same.
 */
export function freeFrom(objects: Objects, settings: Settings): FreeIn {
  const { address, port } = objects.records.freeFrom();
  return { address: Math.max(address, FIRST_POSITION), port: Math.max(port, settings.portRange[0]) };
}

/** Stores that servers have all lower ones. */
export function raiseFreeFrom(objects: Objects, { address, port }: FreeIn): void {
  const now = objects.records.freeFrom();
  objects.records.setFreeFrom({ address: Math.max(now.address, address), port: Math.max(now.port, port) });
}

/** Stores that the addresses and ports of this server will be free. */
export function lowerFreeFrom(objects: Objects, record: ServerRecord): void {
  const config = objects.config.get();
  const now = objects.records.freeFrom();
  const position = config === undefined ? 0 : positionOf(config, record);
  objects.records.setFreeFrom({
    address: Math.min(now.address, position),
    port: Math.min(now.port, ...publicPorts(record)),
  });
}

/** The lower position of a server's two IPv4 addresses; 0 if one is outside its subnet. */
export function positionOf(config: HostConfig, { addresses }: ServerRecord): number {
  if (addresses.ipv4 === undefined) return 0;
  const { host, container } = ipv4Subnets(config);
  const { container: containerAddress, gateway } = addresses.ipv4;
  return Math.min(positionIn(container, containerAddress) ?? 0, positionIn(host, gateway) ?? 0);
}
