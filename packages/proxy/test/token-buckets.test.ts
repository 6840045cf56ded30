import { expect, test } from "bun:test";
import { Rates } from "../src/limits/token-buckets.ts";

function rates(perSecond: number) {
  const clock = { now: 0 };
  const one = new Rates(perSecond, () => clock.now);
  const taken = (address: string, times: number) =>
    Array.from({ length: times }, () => one.take(address)).filter(Boolean).length;
  return { clock, one, taken };
}

test("ten seconds' worth at once, then so many a second", () => {
  const { clock, taken } = rates(5);
  expect(taken("a", 100)).toBe(50);
  clock.now += 1000;
  expect(taken("a", 100)).toBe(5);
  clock.now += 200;
  expect(taken("a", 100)).toBe(1);
  clock.now += 60_000;
  expect(taken("a", 100)).toBe(50);
});

test("each container has its own", () => {
  const { taken } = rates(5);
  taken("a", 100);
  expect(taken("b", 1)).toBe(1);
});

test("who was quiet is forgotten, who was not is remembered", () => {
  const { clock, one, taken } = rates(5);
  taken("a", 100);
  taken("b", 1);
  clock.now += 1000;
  one.forget();
  expect(one.size).toBe(1);
  expect(taken("a", 100)).toBe(5);
  clock.now += 10_000;
  one.forget();
  expect(one.size).toBe(0);
});
