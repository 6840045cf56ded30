import type { Forward, Objects, ServerRecord } from "@dp/core";
import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import { moveServer } from "../move.ts";
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
    const lost = record.forwards.filter(({ counter }) => objects.counters.owner(counter) !== record.id);
    if (lost.length === 0) return [];
    const numbers = lost.map(({ counter }) => counter).join(", ");
    const subject = lost.length === 1 ? `its counter ${numbers} is` : `its counters ${numbers} are`;
    const what = `${subject} not claimed: another server could get ${lost.length === 1 ? "it" : "them"}`;
    const remedy = repairBy(() => reclaim(objects, record));
    return [serverProblem(record, { code: "missing-counter", severity: "error", what }, remedy)];
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

/** Claims the counters of a server again. A counter that is in another server's record, too, stays with that server. */
function reclaim(objects: Objects, record: ServerRecord): void {
  const forwards = record.forwards.map((forward) => ({ ...forward, counter: ownCounter(objects, record, forward) }));
  if (forwards.some(({ counter }, index) => counter !== record.forwards[index]?.counter)) {
    moveServer(objects, { record, forwards });
  }
}

function ownCounter({ counters, records }: Objects, { id }: ServerRecord, forward: Forward): number {
  let { counter } = forward;
  const owner = counters.owner(counter);
  if (owner === id) return counter;
  const isShared = owner !== undefined && records.get(owner)?.forwards.some((each) => each.counter === counter);
  if (isShared === true) [counter = 0] = counters.lowestFree(1);
  else if (owner !== undefined) counters.release(counter);
  counters.claim(counter, id);
  return counter;
}
