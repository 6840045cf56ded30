import { isDeepStrictEqual } from "node:util";
import type { ServerRecord } from "@dp/core";
import { collect, mend, problem, serverProblem } from "../../repair/problem.ts";

import type { ServerPart } from "./part.ts";

/**
 * The public endpoints. The record claims them, closed; players reach the server while they are open. Those of a frozen
 * server are closed.
 */
export const endpoints: ServerPart = {
  name: "open endpoints",
  add: ({ objects, record }) => objects.endpoints.setMany(objects.endpoints.entriesOf(record)),
  remove({ objects, record }) {
    const own = objects.endpoints.entriesOf(record).filter(([each]) => objects.endpoints.get(each)?.server === record.id);
    objects.endpoints.setMany(own.map(([endpoint, entry]) => [endpoint, { ...entry, open: false }]));
  },
  check({ objects }, record) {
    const wrong = objects.endpoints
      .entriesOf(record)
      .filter(([endpoint, entry]) => !isDeepStrictEqual(objects.endpoints.get(endpoint), entry));
    const [first] = wrong;
    if (first === undefined) return [];
    const cure = mend(() => objects.endpoints.setMany(wrong));
    return [serverProblem(record, { code: "wrong-endpoint", severity: "error", what: whatOf(record, wrong.length) }, cure)];
  },
  orphans({ objects, records }) {
    const known = new Set(records.flatMap((record) => objects.endpoints.entriesOf(record).map(([each]) => textOf(each))));
    return objects.endpoints.all().flatMap(([endpoint, { server }]) => {
      if (known.has(textOf(endpoint))) return [];
      const what = `orphaned endpoint ${textOf(endpoint)} of server ${server}`;
      const cure = collect(() => objects.endpoints.delete(endpoint));
      return problem({ code: "orphaned-endpoint", severity: "error", what }, cure);
    });
  },
};

function whatOf({ state }: ServerRecord, count: number): string {
  const entries = `${count} of its endpoint entries ${count === 1 ? "does" : "do"} not match the record`;
  return state === "frozen" ? `${entries}: players may reach the frozen server` : `${entries}: players do not reach it`;
}

function textOf({ protocol, address, port }: { protocol: string; address: string; port: number }): string {
  return `${address}:${port}/${protocol}`;
}
