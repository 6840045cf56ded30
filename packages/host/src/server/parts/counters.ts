import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/** The traffic counters: one for each forward. */
export const counters: ServerPart = {
  name: "counters",
  add({ objects, record }) {
    for (const { counter } of record.forwards) objects.counters.claim(counter, record.id);
  },
  remove({ objects, record }) {
    for (const { counter } of record.forwards) {
      if (objects.counters.owner(counter) === record.id) objects.counters.release(counter);
    }
  },
  check({ objects }, record) {
    return record.forwards.flatMap(({ counter }) => {
      if (objects.counters.owner(counter) === record.id) return [];
      const what = `its counter ${counter} is not claimed: another server could get it`;
      const remedy = repairBy(() => objects.counters.claim(counter, record.id));
      return serverProblem(record, { code: "missing-counter", severity: "error", what }, remedy);
    });
  },
  orphans({ objects, records }) {
    const used = new Map(records.flatMap(({ id, forwards }) => forwards.map(({ counter }) => [counter, id] as const)));
    return objects.counters.all().flatMap(([counter, server]) => {
      if (used.get(counter) === server) return [];
      const what = `orphaned counter ${counter} of server ${server}`;
      const remedy = removeBy(() => objects.counters.release(counter));
      return problem({ code: "orphaned-counter", severity: "warning", what }, remedy);
    });
  },
};
