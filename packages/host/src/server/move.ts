import type { Forward, Objects, ServerRecord } from "@dp/core";
import { writeEndpoints } from "./parts/endpoints.ts";
import { writeServerEntry } from "./parts/server-entry.ts";

/** Where players reach a forward: a public address, and the interface that replies leave by. */
export interface Placement {
  address: string;
  /** ifindex */
  uplink: number;
  /** The uplink's, in bytes. */
  mtu: number;
}

/** A server with forwards at other places. */
export interface Move {
  record: ServerRecord;
  forwards: readonly Forward[];
}

/**
 * Gives the forwards of a server other public addresses, uplinks or counters. The change note is first and the record second, so
 * that the next command finishes what a killed one left.
 *
 * @throws DatapathError `CONFLICT` when another server has one of the endpoints
 */
export function moveServer(objects: Objects, { record, forwards }: Move): void {
  const moved = { ...record, forwards };
  objects.records.changes.begin(record.id);
  // Claims the new endpoints, closed, and gives up the old ones.
  objects.records.set(moved, "replace");
  if (objects.servers.get(record.hostPeer.ifindex)?.id === record.id) writeServerEntry(objects, moved);
  writeEndpoints(objects, moved);
  objects.records.changes.end(record.id);
}
