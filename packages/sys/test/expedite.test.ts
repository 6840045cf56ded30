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

  test("are for as long as somebody wants them", () => {
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

  test("of one that was killed end with the next one", () => {
    expediteGracePeriods(path);
    const left = value();
    expect(left).not.toBe("0");
    // The lock goes with the process; here, with another file in its place.
    rmSync(path);
    writeFileSync(path, `${left}\n`);
    {
      using _next = expediteGracePeriods(path);
      expect(value()).toBe(left);
    }
    expect(value()).toBe("0");
  });

  test("that somebody else has set stay", () => {
    writeFileSync(path, "1\n");
    {
      using _ours = expediteGracePeriods(path);
      expect(value()).toBe("1");
    }
    expect(value()).toBe("1");
  });

  test("that somebody else takes back meanwhile are not set anew", () => {
    {
      using _ours = expediteGracePeriods(path);
      writeFileSync(path, "1\n");
    }
    expect(value()).toBe("1");
  });

  test("where there is no such setting, or none that may be set, are done without", () => {
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
