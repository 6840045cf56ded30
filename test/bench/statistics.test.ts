import { expect, test } from "bun:test";
import fc from "fast-check";
import { interleaved } from "./rounds.ts";
import { figure, median, perRound, quantile, ratio } from "./statistics.ts";

test("a median is the middle value, or halfway between the two", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow("no values");
});

test("quantiles grow with the share, from the least value to the greatest", () => {
  const values = fc.array(fc.integer(), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
      expect(quantile(all, 0)).toBe(Math.min(...all));
      expect(quantile(all, 1)).toBe(Math.max(...all));
      expect(quantile(all, share)).toBeGreaterThanOrEqual(quantile(all, share / 2));
    }),
  );
});

test("a ratio is one of rounds, not of medians: what slows both down in one round shows in neither", () => {
  const ours = figure([10, 100, 20]);
  const theirs = figure([5, 50, 10]);
  expect(ratio(ours, theirs)).toEqual({ value: 2, spread: [2, 2], rounds: [2, 2, 2] });
});

test("figures with different numbers of rounds are refused", () => {
  expect(() => perRound((a, b) => a + b, figure([1, 2]), figure([1]))).toThrow("different numbers of rounds");
});

test("contenders take turns, and begin in turns", async () => {
  const order: string[] = [];
  const contender = (name: string) => ({ name, measure: () => ({ nth: order.push(name) }) });
  const measured = await interleaved([contender("A"), contender("B"), contender("C")], 3);
  expect(order.join("")).toBe("ABCCBAABC");
  expect(measured.get("B")?.nth).toEqual({ value: 5, spread: [3.5, 6.5], rounds: [2, 5, 8] });
  await expect(interleaved([contender("A"), contender("A")], 1)).rejects.toThrow("the same name");
});
