import { describe, expect, test } from "bun:test";
import type { ContainerUsage } from "../src/limits/container-usage.ts";
import { completeLimits } from "../src/limits/limits.ts";
import { UsageTable } from "../src/limits/usage-table.ts";

describe("the usage table", () => {
  test("counts each container separately, and removes it when nothing is open", () => {
    const table = new UsageTable(completeLimits({ connectionsPerServer: 2, queriesPerServer: 1 }));
    const one = table.openConnection("10.2.0.1") as ContainerUsage;
    expect(table.openConnection("10.2.0.1")).toBe(one);
    expect(table.openConnection("10.2.0.1")).toBeUndefined();
    expect(table.openConnection("10.2.0.2")).toBeDefined();
    expect(table.openQuery("10.2.0.1")).toBe(one);
    expect(table.openQuery("10.2.0.1")).toBeUndefined();
    table.closeConnection(one);
    expect(table.openConnection("10.2.0.1")).toBe(one);
    table.closeConnection(one);
    table.closeConnection(one);
    table.closeQuery(one);
    expect(table.usage().map(({ address }) => address)).toEqual(["10.2.0.2"]);
  });

  test("gives all containers together no more descriptors than the limit", () => {
    const table = new UsageTable(completeLimits({ descriptors: 5 }));
    const one = table.openConnection("10.2.0.1") as ContainerUsage;
    expect(table.openConnection("10.2.0.2")).toBeDefined();
    expect(table.openConnection("10.2.0.3")).toBeUndefined();
    expect(table.openQuery("10.2.0.3")).toBeDefined();
    expect(table.openQuery("10.2.0.3")).toBeUndefined();
    table.closeConnection(one);
    expect(table.openConnection("10.2.0.4")).toBeDefined();
  });

  test("limits the rate of a container, of connections and queries separately", () => {
    const table = new UsageTable(completeLimits({ ratePerServer: 1 }));
    const opened = (open: () => unknown) =>
      Array.from({ length: 30 }, open).filter((each) => each !== undefined).length;
    expect(opened(() => table.openConnection("10.2.0.1"))).toBe(10);
    expect(opened(() => table.openQuery("10.2.0.1"))).toBe(10);
    expect(opened(() => table.openConnection("10.2.0.2"))).toBe(10);
  });

  test("gives no container more than half of the descriptors", () => {
    const table = new UsageTable(completeLimits({ descriptors: 20 }));
    const opened = Array.from({ length: 10 }, () => table.openConnection("10.2.0.1"));
    expect(opened.filter((each) => each !== undefined)).toHaveLength(5);
    expect(table.openQuery("10.2.0.1")).toBeUndefined();
    expect(table.openConnection("10.2.0.2")).toBeDefined();
  });

  test("limits the socket buffers from the seventeenth connection on, the more connections the smaller", () => {
    const MIB = 1024 * 1024;
    const table = new UsageTable(
      completeLimits({ bufferedBytesPerServer: 32 * MIB, connectionsPerServer: 2000, ratePerServer: 2000 }),
    );
    const limits = Array.from({ length: 2000 }, () => table.openConnection("10.2.0.1")?.socketBufferLimit);
    expect([limits[0], limits[15]]).toEqual([undefined, undefined]);
    expect(limits[16]).toBeWithin(0.9 * MIB, MIB);
    expect([limits[127], limits[511], limits[1999]]).toEqual([MIB / 8, MIB / 32, MIB / 64]);
    expect(table.openConnection("10.2.0.2")?.socketBufferLimit).toBeUndefined();
  });

  test("throttles all readers of a container over its budget, new readers too, and resumes them", () => {
    const table = new UsageTable(completeLimits({ bufferedBytesPerServer: 100 }));
    const usage = table.openConnection("10.2.0.1") as ContainerUsage;
    const calls: string[] = [];
    const reader = (name: string) => ({ throttle: (on: boolean) => void calls.push(`${name} ${on}`) });
    usage.addReader(reader("a"));
    usage.addBufferedBytes(100);
    expect(calls).toEqual([]);
    usage.addBufferedBytes(1);
    const second = reader("b");
    usage.addReader(second);
    expect(calls).toEqual(["a true", "b true"]);
    usage.removeReader(second);
    usage.addBufferedBytes(-1);
    expect(calls).toEqual(["a true", "b true", "a false"]);
  });
});

describe("limits", () => {
  test("have defaults, and must be positive whole numbers", () => {
    expect(completeLimits().connectionsPerServer).toBe(512);
    expect(completeLimits({ drainMs: 0 }).drainMs).toBe(0);
    for (const bad of [0, -1, 1.5, Number.NaN, Infinity]) {
      expect(() => completeLimits({ connectionsPerServer: bad })).toThrow(`the limit connectionsPerServer is ${bad}`);
    }
  });
});
