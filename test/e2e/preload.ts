// Loaded before every test file (bunfig.toml): what a test leaves behind fails it.
import { afterEach, beforeEach, expect } from "bun:test";
import { inventory, leaksSince } from "@dp/test-kit/inventory.ts";

let before: string[] = [];

beforeEach(async () => {
  before = await inventory();
});

afterEach(async () => {
  expect(await leaksSince(before), "left behind").toEqual([]);
});
