import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expediteGracePeriods } from "../src/index.ts";

describe("expedited grace periods", () => {
  let folder: string;
  let path: string;
  const value = () => readFileSync(path, "utf8").trim();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "expedite-"));
    path = join(folder, "rcu_expedited");
    writeFileSync(path, "0\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("last until the last process that needs them is done", () => {
    const one = expediteGracePeriods(path);
    const mark = value();
    expect(Number(mark)).toBeGreaterThan(1);
    {
      using _other = expediteGracePeriods(path);
      one[Symbol.dispose]();
      expect(value()).toBe(mark);
    }
    expect(value()).toBe("0");
  });

  test("of a killed process end with the next process", () => {
    expediteGracePeriods(path);
    const left = value();
    expect(left).not.toBe("0");
    // A process loses its lock when it ends; here, because another file takes its place.
    rmSync(path);
    writeFileSync(path, `${left}\n`);
    {
      using _next = expediteGracePeriods(path);
      expect(value()).toBe(left);
    }
    expect(value()).toBe("0");
  });

  test("that another program has set stay", () => {
    writeFileSync(path, "1\n");
    {
      using _ours = expediteGracePeriods(path);
      expect(value()).toBe("1");
    }
    expect(value()).toBe("1");
  });

  test("that another program changes meanwhile keep its value", () => {
    {
      using _ours = expediteGracePeriods(path);
      writeFileSync(path, "1\n");
    }
    expect(value()).toBe("1");
  });

  test("are not needed: a missing or read-only setting is no error", () => {
    using _none = expediteGracePeriods(join(folder, "none"));
    using _folder = expediteGracePeriods(folder);
    using _garbage = expediteGracePeriods("/proc/version");
  });

  test("are what the kernel's own setting says", () => {
    const kernel = "/sys/kernel/rcu_expedited";
    using _ours = expediteGracePeriods();
    expect(readFileSync(kernel, "utf8").trim()).not.toBe("0");
  });
});
