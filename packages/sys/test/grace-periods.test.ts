import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hurryGracePeriods } from "../src/index.ts";

// A file stands for the switch: the machine's own is turned by whoever else runs tests on it.
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "grace-"));
  path = join(folder, "rcu_expedited");
});
afterEach(() => rmSync(folder, { recursive: true }));

const value = () => Number(readFileSync(path, "latin1"));

test("they are hurried until it is disposed, also by an error", () => {
  writeFileSync(path, "0\n");
  expect(() => {
    using _ = hurryGracePeriods(path);
    expect(value()).not.toBe(0);
    throw new Error("midway");
  }).toThrow("midway");
  expect(value()).toBe(0);
});

test("what an operator has set stays", () => {
  writeFileSync(path, "1\n");
  hurryGracePeriods(path)[Symbol.dispose]();
  expect(value()).toBe(1);
});

test("what an operator sets meanwhile stays", () => {
  writeFileSync(path, "0\n");
  const hurry = hurryGracePeriods(path);
  writeFileSync(path, "1\n");
  hurry[Symbol.dispose]();
  expect(value()).toBe(1);
});

test("what one that was killed left on is turned off by the next", () => {
  writeFileSync(path, "0\n");
  void hurryGracePeriods(path);
  const next = hurryGracePeriods(path);
  expect(value()).not.toBe(0);
  next[Symbol.dispose]();
  expect(value()).toBe(0);
});

test("of two at the same time neither leaves it on", () => {
  writeFileSync(path, "0\n");
  const [one, other] = [hurryGracePeriods(path), hurryGracePeriods(path)];
  one[Symbol.dispose]();
  other[Symbol.dispose]();
  expect(value()).toBe(0);
});

test("where there is no such switch nothing happens", () => {
  hurryGracePeriods(path)[Symbol.dispose]();
  hurryGracePeriods("/proc/sys/kernel/ostype")[Symbol.dispose]();
});
