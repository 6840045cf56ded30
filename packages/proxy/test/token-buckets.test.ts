import { expect, test } from "bun:test";
import { TokenBuckets } from "../src/limits/token-buckets.ts";

function bucketsOf(perSecond: number) {
  const clock = { now: 0 };
  const buckets = new TokenBuckets(perSecond, () => clock.now);
  const taken = (address: string, times: number) =>
    Array.from({ length: times }, () => buckets.take(address)).filter(Boolean).length;
  return { clock, buckets, taken };
}

test("ten seconds' worth can be taken at once, then the rate per second", () => {
  const { clock, taken } = bucketsOf(5);
  expect(taken("a", 100)).toBe(50);
  clock.now += 1000;
  expect(taken("a", 100)).toBe(5);
  clock.now += 200;
  expect(taken("a", 100)).toBe(1);
  clock.now += 60_000;
  expect(taken("a", 100)).toBe(50);
});

test("each container has its own bucket", () => {
  const { taken } = bucketsOf(5);
  taken("a", 100);
  expect(taken("b", 1)).toBe(1);
});

test("full buckets are removed, others stay", () => {
  const { clock, buckets, taken } = bucketsOf(5);
  taken("a", 100);
  taken("b", 1);
  clock.now += 1000;
  buckets.removeFull();
  expect(buckets.size).toBe(1);
  expect(taken("a", 100)).toBe(5);
  clock.now += 10_000;
  buckets.removeFull();
  expect(buckets.size).toBe(0);
});
