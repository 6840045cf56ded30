import { expect, test } from "bun:test";
import { limitRepeatedWarnings } from "../src/log/repeated-warnings.ts";

test("an equal warning is given once a minute, a different one at once", () => {
  let now = 0;
  const given: string[] = [];
  const warn = limitRepeatedWarnings(
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
