import type { Objects } from "@dp/core";
import { FIRST_POSITION, freeFrom, positionOf } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { messageOf } from "../transaction.ts";
import { publicPorts } from "./ports.ts";

/**
 * Makes the indexes match the records, and deletes change notes of finished changes: a killed command may have left
 * both. A failure is a warning: the next command tries again.
 */
export function tidyRecords(objects: Objects, options: HostOptions): void {
  try {
    tidy(objects);
  } catch (error) {
    options.warn?.(`the index of the servers' records could not be brought up to date: ${messageOf(error)}`);
  }
}

function tidy(objects: Objects): void {
  const { records } = objects;
  records.reindex();
  for (const { id, kind } of records.changes.all()) {
    const record = records.get(id);
    // The change note of a pending server stays: the next change tries to remove the server again.
    if (kind === "running" && record?.state !== "pending") {
      if (record === undefined) records.changes.remove(id);
      else records.changes.end(id);
    }
  }
  const config = objects.config.get();
  const settings = objects.settings.get();
  if (config === undefined || settings === undefined) return;
  const all = records.all();
  const ids = new Set(all.map(({ id }) => id));
  const positions = new Set(all.map((record) => positionOf(config, record)));
  const ports = new Set(all.flatMap(publicPorts));
  const counters = new Set(all.flatMap(({ forwards }) => forwards.map(({ counter }) => counter)));
  const lowest = (first: number, taken: ReadonlySet<number>) => {
    let free = first;
    while (taken.has(free)) free++;
    return free;
  };
  const wanted = {
    id: lowest(1, ids),
    address: lowest(FIRST_POSITION, positions),
    port: lowest(settings.portRange[0], ports),
    counter: lowest(1, counters),
  };
  const now = freeFrom(objects, settings);
  if (Object.entries(wanted).some(([key, value]) => now[key as keyof typeof now] !== value))
    records.setFreeFrom(wanted);
}
