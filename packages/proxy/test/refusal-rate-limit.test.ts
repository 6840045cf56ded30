import { expect, test } from "bun:test";
import type { ConnectionLog } from "../src/log/connection-log.ts";
import { RefusalRateLimit } from "../src/log/refusal-rate-limit.ts";

const unknownSource: ConnectionLog = {
  time: new Date(),
  kind: "tcp",
  transport: "tcp",
  server: undefined,
  source: { address: "10.9.9.9", port: 1 },
  destination: undefined,
  bytesOut: 0,
  bytesIn: 0,
  durationMs: 0,
  outcome: "refused:unknown-source",
};
const refused: ConnectionLog = { ...unknownSource, server: { id: 1, name: "a" }, outcome: "refused:limit" };
const served: ConnectionLog = { ...refused, outcome: "closed" };

function rateLimit() {
  const clock = { now: 0 };
  const limit = new RefusalRateLimit(() => clock.now);
  const passed = (entry: ConnectionLog, count: number) =>
    Array.from({ length: count }, () => limit.filter(entry)).filter((each) => each !== undefined);
  return { clock, passed };
}

test("passes ten lines per second about unknown sources", () => {
  const { clock, passed } = rateLimit();
  expect(passed(unknownSource, 50)).toHaveLength(10);
  clock.now += 1000;
  expect(passed(unknownSource, 50)).toHaveLength(10);
});

test("passes a hundred refusals of one server per second, and counts other servers separately", () => {
  const { passed } = rateLimit();
  expect(passed(refused, 500)).toHaveLength(100);
  expect(passed(unknownSource, 1)).toHaveLength(1);
  expect(passed({ ...refused, server: { id: 2, name: "b" } }, 1)).toHaveLength(1);
});

test("passes every line that is no refusal", () => {
  const { passed } = rateLimit();
  passed(refused, 500);
  expect(passed(served, 500)).toEqual(Array.from({ length: 500 }, () => served));
});

test("counts the refusals left out in the next line", () => {
  const { clock, passed } = rateLimit();
  expect(passed(refused, 107).every(({ unlogged }) => unlogged === undefined)).toBe(true);
  clock.now += 5000;
  expect(passed(refused, 2).map(({ unlogged }) => unlogged)).toEqual([7, undefined]);
});
