import { expect, test } from "bun:test";
import { quietly } from "../src/log/repeated-warnings.ts";

test("the same warning is given once a minute, another one at once", () => {
  let now = 0;
  const given: string[] = [];
  const warn = quietly(
    (message) => given.push(message),
    () => now,
  );
  for (let times = 0; times < 1000; times++) warn("a");
  warn("b");
  expect(given).toEqual(["a", "b"]);
  now += 59_999;
  warn("a");
  now += 1;
  warn("a");
  expect(given).toEqual(["a", "b", "a"]);
});
