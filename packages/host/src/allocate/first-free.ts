import type { FreeFrom, HostConfig, Objects, ServerRecord } from "@dp/core";
import { Subnet } from "./subnet.ts";

const OP = "look for what is free";

/**
 * Where the search for a port and for addresses begins. What servers have below it need not be asked for one by one, so
 * with ten thousand it takes no longer than with ten.
 */
export function freeFrom(objects: Objects, config: HostConfig): FreeFrom {
  const { index, port } = objects.records.freeFrom();
  return { index: Math.max(index, FIRST_INDEX), port: Math.max(port, config.portRange[0]) };
}

/** The network's own address is nobody's. */
export const FIRST_INDEX = 1;

/** Notes that everything below is some server's. */
export function raiseFreeFrom(objects: Objects, { index, port }: FreeFrom): void {
  const now = objects.records.freeFrom();
  objects.records.setFreeFrom({ index: Math.max(now.index, index), port: Math.max(now.port, port) });
}

/** What this server has is about to be free. */
export function lowerFreeFrom(objects: Objects, record: ServerRecord): void {
  const config = objects.config();
  const now = objects.records.freeFrom();
  const index = config === undefined ? 0 : indexOf(config, record);
  objects.records.setFreeFrom({ index: Math.min(now.index, index), port: Math.min(now.port, record.hostPort) });
}

/** Of the lower of a server's two addresses: 0 when neither is of its subnet. */
export function indexOf(config: HostConfig, { veth }: ServerRecord): number {
  const container = Subnet.parse(config.containerSubnet, OP).indexOf(veth.podPeer.addr);
  const host = Subnet.parse(config.hostSubnet, OP).indexOf(veth.hostPeer.addr);
  return Math.min(container ?? 0, host ?? 0);
}
