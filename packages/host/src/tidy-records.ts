import type { Objects } from "@dp/core";
import { FIRST_INDEX, indexOf } from "./first-free.ts";

/** Makes what only helps to find records quickly agree with them: a process that was killed may have left some of it. */
export function tidyRecords(objects: Objects): void {
  objects.records.reindex();
  const config = objects.config();
  if (config === undefined) return;
  const records = objects.netData();
  const indexes = new Set(records.map((record) => indexOf(config, record)));
  const ports = new Set(records.map(({ hostPort }) => hostPort));
  let index = FIRST_INDEX;
  while (indexes.has(index)) index++;
  let [port] = config.portRange;
  while (ports.has(port)) port++;
  objects.records.setFreeFrom({ index, port });
}
