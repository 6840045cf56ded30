import type { Forward, Objects, ServerRecord } from "@dp/core";
import { writeEndpoints } from "./parts/endpoints.ts";
import { writeServerEntry } from "./parts/server-entry.ts";

/** The public address of a forward, and the uplink that its replies leave by. */
export interface Placement {
  address: string;
  /** ifindex */
  uplink: number;
  /** The uplink's, in bytes. */
  mtu: number;
}

/** A server whose forwards get other public addresses or uplinks. */
export interface Move {
  record: ServerRecord;
  forwards: readonly Forward[];
}

/**
 * Gives the forwards of a server other public addresses, uplinks or counters. Writes the change note first and the
 * record second, so that the next command can finish the change after a kill.
 *
 * @throws DatapathError `CONFLICT` when another server has one of the endpoints
 */
export function moveServer(objects: Objects, { record, forwards }: Move): void {
  const moved = { ...record, forwards };
  objects.records.changes.begin(record.id);
  // Creates the entries of the new endpoints, closed, and deletes the old ones.
  objects.records.set(moved, "replace");
  if (objects.servers.get(record.hostPeer.ifindex)?.id === record.id) writeServerEntry(objects, moved);
  writeEndpoints(objects, moved);
  objects.records.changes.end(record.id);
}
