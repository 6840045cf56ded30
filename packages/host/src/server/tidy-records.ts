import type { Objects } from "@dp/core";
import { FIRST_INDEX, freeFrom, indexOf } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { messageOf } from "../transaction.ts";

/**
 * Makes what only helps to find records agree with them, and forgets changes that are over: a process that was killed
 * may have left either. What it fails at, the next one does.
 */
export function tidyRecords(objects: Objects, options: HostOptions): void {
  try {
    tidy(objects);
  } catch (error) {
    options.warn?.(`the index of the servers' records could not be brought up to date: ${messageOf(error)}`);
  }
}

function tidy(objects: Objects): void {
  const { records: servers } = objects;
  servers.reindex();
  for (const address of servers.changing()) {
    // One that could not be removed is tried again.
    if (servers.get(address)?.state !== "pending") servers.endChange(address);
  }
  const config = objects.config();
  if (config === undefined) return;
  const records = objects.netData();
  const indexes = new Set(records.map((record) => indexOf(config, record)));
  const ports = new Set(records.map(({ hostPort }) => hostPort));
  let index = FIRST_INDEX;
  while (indexes.has(index)) index++;
  let [port] = config.portRange;
  while (ports.has(port)) port++;
  const now = freeFrom(objects, config);
  if (now.index !== index || now.port !== port) servers.setFreeFrom({ index, port });
}
