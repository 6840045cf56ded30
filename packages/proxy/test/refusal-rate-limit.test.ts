import { expect, test } from "bun:test";
import type { ConnectionLog } from "../src/log/connection-log.ts";
import { LogGate } from "../src/log/refusal-rate-limit.ts";

const stranger: ConnectionLog = {
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
const refused: ConnectionLog = { ...stranger, server: { name: "a", port: 1 }, outcome: "refused:limit" };
const served: ConnectionLog = { ...refused, outcome: "closed" };

function gate() {
  const clock = { now: 0 };
  const one = new LogGate(() => clock.now);
  const passed = (entry: ConnectionLog, count: number) =>
    Array.from({ length: count }, () => one.pass(entry)).filter((each) => each !== undefined);
  return { clock, passed };
}

test("lets ten lines a second through about strangers", () => {
  const { clock, passed } = gate();
  expect(passed(stranger, 50)).toHaveLength(10);
  clock.now += 1000;
  expect(passed(stranger, 50)).toHaveLength(10);
});

test("lets a hundred through about what one server is refused, and holds none against another", () => {
  const { passed } = gate();
  expect(passed(refused, 500)).toHaveLength(100);
  expect(passed(stranger, 1)).toHaveLength(1);
  expect(passed({ ...refused, server: { name: "b", port: 2 } }, 1)).toHaveLength(1);
});

test("lets every line through about what a server was given", () => {
  const { passed } = gate();
  passed(refused, 500);
  expect(passed(served, 500)).toEqual(Array.from({ length: 500 }, () => served));
});

test("says with the next line how many did not pass", () => {
  const { clock, passed } = gate();
  expect(passed(refused, 107).every(({ unlogged }) => unlogged === undefined)).toBe(true);
  clock.now += 5000;
  expect(passed(refused, 2).map(({ unlogged }) => unlogged)).toEqual([7, undefined]);
});
