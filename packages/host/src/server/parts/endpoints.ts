import { isDeepStrictEqual } from "node:util";
import { endpointText, entriesOf, type Objects, type ServerRecord } from "@dp/core";
import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/**
 * The public endpoints. The part `record` creates their entries, closed; this part opens them, so that players reach
 * the server. The endpoints of a frozen server are closed.
 */
export const endpoints: ServerPart = {
  name: "open endpoints",
  add: ({ objects, record }) => writeEndpoints(objects, record),
  remove({ objects, record }) {
    objects.endpoints.setMany(
      entriesOf(record, false).filter(([endpoint]) => objects.endpoints.get(endpoint)?.server === record.id),
    );
  },
  check({ objects }, record) {
    const wrong = entriesOf(record, isOpen(record)).filter(
      ([endpoint, entry]) => !isDeepStrictEqual(objects.endpoints.get(endpoint), entry),
    );
    const [first] = wrong;
    if (first === undefined) return [];
    const remedy = repairBy(() => objects.endpoints.setMany(wrong));
    return [
      serverProblem(record, { code: "wrong-endpoint", severity: "error", what: whatOf(record, wrong.length) }, remedy),
    ];
  },
  orphans({ objects, records }) {
    const known = new Set(records.flatMap((record) => entriesOf(record, false).map(([each]) => endpointText(each))));
    return objects.endpoints.all().flatMap(([endpoint, { server }]) => {
      if (known.has(endpointText(endpoint))) return [];
      const what = `orphaned endpoint ${endpointText(endpoint)} of server ${server}`;
      const remedy = removeBy(() => objects.endpoints.delete(endpoint));
      return problem({ code: "orphaned-endpoint", severity: "error", what }, remedy);
    });
  },
};

function whatOf({ state }: ServerRecord, count: number): string {
  const entries = `${count} of its endpoint entries ${count === 1 ? "does" : "do"} not match the record`;
  return state === "frozen" ? `${entries}: players may reach the frozen server` : `${entries}: players do not reach it`;
}

/** Opens the endpoints of an active server, and closes those of a frozen one. */
export function writeEndpoints(objects: Objects, record: ServerRecord): void {
  objects.endpoints.setMany(entriesOf(record, isOpen(record)));
}

function isOpen({ state }: ServerRecord): boolean {
  return state === "active";
}
