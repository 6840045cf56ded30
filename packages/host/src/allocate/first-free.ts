import type { FreeFrom, HostConfig, Objects, ServerRecord, Settings } from "@dp/core";
import { publicPorts } from "../server/ports.ts";
import { Subnet } from "./subnet.ts";

const OP = "look for what is free";

/** Position of an address in its subnet: 0 is the network's own address. */
export const FIRST_POSITION = 1;
const FIRST_ID = 1;
/** Counter 0 is never used. */
const FIRST_COUNTER = 1;

/**
 * Where the search for an id, an address, a port and a counter begins. Everything below is taken by servers, so with ten
 * thousand servers a search takes no longer than with ten.
 */
export function freeFrom(objects: Objects, settings: Settings): FreeFrom {
  const { id, address, port, counter } = objects.records.freeFrom();
  return {
    id: Math.max(id, FIRST_ID),
    address: Math.max(address, FIRST_POSITION),
    port: Math.max(port, settings.portRange[0]),
    counter: Math.max(counter, FIRST_COUNTER),
  };
}

/** Notes that everything below is taken by servers. */
export function raiseFreeFrom(objects: Objects, from: FreeFrom): void {
  setFreeFrom(objects, from, Math.max);
}

/** Notes that what this server has is about to be free. */
export function lowerFreeFrom(objects: Objects, record: ServerRecord): void {
  const config = objects.config.get();
  const least = (values: readonly number[], otherwise: number) => (values.length === 0 ? otherwise : Math.min(...values));
  const now = objects.records.freeFrom();
  const from = {
    id: record.id,
    address: config === undefined ? 0 : positionOf(config, record),
    port: least(publicPorts(record), now.port),
    counter: least(
      record.forwards.map(({ counter }) => counter),
      now.counter,
    ),
  };
  setFreeFrom(objects, from, Math.min);
}

function setFreeFrom(objects: Objects, from: FreeFrom, choose: (one: number, other: number) => number): void {
  const now = objects.records.freeFrom();
  objects.records.setFreeFrom({
    id: choose(now.id, from.id),
    address: choose(now.address, from.address),
    port: choose(now.port, from.port),
    counter: choose(now.counter, from.counter),
  });
}

/** Of the lower of a server's two IPv4 addresses: 0 when neither is of its subnet. */
export function positionOf(config: HostConfig, { addresses }: ServerRecord): number {
  if (addresses.ipv4 === undefined) return 0;
  const { container, gateway } = addresses.ipv4;
  const inContainers = Subnet.parse(config.containerSubnet, OP).indexOf(container);
  const inHosts = Subnet.parse(config.hostSubnet, OP).indexOf(gateway);
  return Math.min(inContainers ?? 0, inHosts ?? 0);
}
