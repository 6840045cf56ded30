import { expect, test } from "bun:test";
import { sleepSync } from "../src/index.ts";

test("a synchronous sleep keeps timers from running until it is over", async () => {
  const order: string[] = [];
  const timer = new Promise<void>((resolve) => {
    setTimeout(() => resolve(void order.push("timer")), 1);
  });
  sleepSync(20);
  order.push("slept");
  await timer;
  expect(order).toEqual(["slept", "timer"]);
  sleepSync(0);
  sleepSync(-1);
});
