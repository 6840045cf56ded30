import { isDeepStrictEqual } from "node:util";
import { entryOf, type Objects, type ServerEntry, type ServerRecord } from "@dp/core";
import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import { isStillUp } from "../present.ts";
import type { ServerPart } from "./part.ts";

/**
 * The dp_servers entry. It exists before the host peer goes up and until the host peer is gone, because the guard
 * recognizes host peers by it.
 */
export const serverEntry: ServerPart = {
  name: "server entry",
  add: ({ objects, record }) => writeServerEntry(objects, record),
  remove({ objects, host, record }) {
    const { ifindex } = record.hostPeer;
    // Another server's host peer may have the index now.
    if (ifindex === 0 || objects.servers.get(ifindex)?.id !== record.id) return;
    if (isStillUp(objects, host, record)) return;
    objects.servers.delete(ifindex);
  },
  check({ objects }, record) {
    const { ifindex } = record.hostPeer;
    const found = objects.servers.get(ifindex);
    const wanted = wantedEntry(objects, record);
    if (isDeepStrictEqual(found, wanted)) return [];
    const code = found === undefined ? "missing-server-entry" : "wrong-server-entry";
    const what =
      found === undefined ? "its dp_servers entry is missing" : "its dp_servers entry does not match the record";
    const remedy = repairBy(() => objects.servers.set(ifindex, wanted));
    return [serverProblem(record, { code, severity: "error", what }, remedy)];
  },
  orphans({ objects, records }) {
    const hostPeers = new Set(records.map(({ hostPeer }) => hostPeer.ifindex));
    return objects.servers.all().flatMap(([ifindex, { id }]) => {
      if (hostPeers.has(ifindex)) return [];
      const what = `orphaned dp_servers entry of server ${id} for interface ${ifindex}`;
      const remedy = removeBy(() => objects.servers.delete(ifindex));
      return problem({ code: "orphaned-server-entry", severity: "error", what }, remedy);
    });
  },
};

/** Makes the entry of a server agree with its record. */
export function writeServerEntry(objects: Objects, record: ServerRecord): void {
  objects.servers.set(record.hostPeer.ifindex, wantedEntry(objects, record));
}

function wantedEntry(objects: Objects, record: ServerRecord): ServerEntry {
  return entryOf(record, objects.records.groups.of(record.group));
}
