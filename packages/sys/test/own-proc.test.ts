import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { withOwnProc } from "../src/index.ts";

test("an own procfs has the contents of /proc, and is unmounted afterwards", () => {
  const before = readdirSync("/proc/self/fd").length;
  const path = withOwnProc((proc) => {
    expect(readFileSync(`${proc}/sys/kernel/ostype`, "utf8")).toBe("Linux\n");
    expect(readFileSync(`${proc}/sys/net/ipv4/ip_forward`)).toEqual(readFileSync("/proc/sys/net/ipv4/ip_forward"));
    return proc;
  });
  if (process.getuid?.() === 0) expect(path).not.toBe("/proc");
  if (path !== "/proc") expect(existsSync(`${path}/sys/kernel/ostype`)).toBe(false);
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("an error inside is passed on, and nothing stays open", () => {
  const before = readdirSync("/proc/self/fd").length;
  expect(() => withOwnProc(() => readFileSync("/proc/none"))).toThrow("ENOENT");
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});
