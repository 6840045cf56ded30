import { entriesOf, type Objects, serverLabel, type ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import type { HostOptions } from "../host-options.ts";
import { messageOf } from "../transaction.ts";
import { writeEndpoints } from "./parts/endpoints.ts";
import { hasHostPeer } from "./present.ts";
import { removeServer } from "./remove.ts";
import { tidyRecords } from "./tidy-records.ts";

/**
 * Recovers the changes of killed commands: see {@link recoverServers}. The time does not grow with the number of
 * servers.
 */
export function recoverChanges(objects: Objects, host: Netlink, options: HostOptions): void {
  const running = objects.records.changes.all().filter(({ kind }) => kind === "running");
  if (running.length === 0) return;
  const records = running.flatMap(({ id }) => objects.records.get(id) ?? []);
  recoverServers(objects, host, records, options);
  tidyRecords(objects, options);
}

/**
 * Removes servers that a killed command was adding or removing. If only the endpoints were not open yet, it opens them.
 * If this fails, it warns, and the server keeps its record, so that no other server gets its endpoints, addresses or
 * name.
 */
export function recoverServers(
  objects: Objects,
  host: Netlink,
  records: readonly ServerRecord[],
  options: HostOptions,
): void {
  const silent = { ...options, onStep: undefined };
  for (const record of records) {
    try {
      if (record.state === "pending") {
        removeServer(objects, host, record, silent);
        options.warn?.(`${serverLabel(record)} was a leftover of a killed command and has been removed`);
      } else if (record.state === "active" && openEndpoints(objects, host, record)) {
        options.warn?.(`${serverLabel(record)} had closed endpoints after a killed command; they are open now`);
      }
    } catch (error) {
      options.warn?.(messageOf(error));
    }
  }
}

/** Opens the endpoints of a server. False when they are open, or the container is gone. */
function openEndpoints(objects: Objects, host: Netlink, record: ServerRecord): boolean {
  const isOpen = entriesOf(record, true).every(([endpoint]) => objects.endpoints.get(endpoint)?.open === true);
  if (isOpen || !hasHostPeer(objects, record, host)) return false;
  writeEndpoints(objects, record);
  return true;
}
