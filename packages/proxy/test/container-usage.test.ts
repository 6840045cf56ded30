import { describe, expect, test } from "bun:test";
import { type Account, Accounts } from "../src/limits/container-usage.ts";
import { completeLimits } from "../src/limits/limits.ts";

describe("accounts", () => {
  test("count each container for itself, and forget it when it has nothing open", () => {
    const accounts = new Accounts(completeLimits({ connectionsPerServer: 2, queriesPerServer: 1 }));
    const one = accounts.openConnection("10.2.0.1") as Account;
    expect(accounts.openConnection("10.2.0.1")).toBe(one);
    expect(accounts.openConnection("10.2.0.1")).toBeUndefined();
    expect(accounts.openConnection("10.2.0.2")).toBeDefined();
    expect(accounts.openQuery("10.2.0.1")).toBe(one);
    expect(accounts.openQuery("10.2.0.1")).toBeUndefined();
    accounts.closeConnection(one);
    expect(accounts.openConnection("10.2.0.1")).toBe(one);
    accounts.closeConnection(one);
    accounts.closeConnection(one);
    accounts.closeQuery(one);
    expect(accounts.usage().map(({ address }) => address)).toEqual(["10.2.0.2"]);
  });

  test("never use more descriptors together than they may", () => {
    const accounts = new Accounts(completeLimits({ descriptors: 5 }));
    const one = accounts.openConnection("10.2.0.1") as Account;
    expect(accounts.openConnection("10.2.0.2")).toBeDefined();
    expect(accounts.openConnection("10.2.0.3")).toBeUndefined();
    expect(accounts.openQuery("10.2.0.3")).toBeDefined();
    expect(accounts.openQuery("10.2.0.3")).toBeUndefined();
    accounts.closeConnection(one);
    expect(accounts.openConnection("10.2.0.4")).toBeDefined();
  });

  test("let a container open so many a second, queries beside connections", () => {
    const accounts = new Accounts(completeLimits({ ratePerServer: 1 }));
    const opened = (open: () => unknown) =>
      Array.from({ length: 30 }, open).filter((each) => each !== undefined).length;
    expect(opened(() => accounts.openConnection("10.2.0.1"))).toBe(10);
    expect(opened(() => accounts.openQuery("10.2.0.1"))).toBe(10);
    expect(opened(() => accounts.openConnection("10.2.0.2"))).toBe(10);
  });

  test("give no container more than half of the descriptors", () => {
    const accounts = new Accounts(completeLimits({ descriptors: 20 }));
    const opened = Array.from({ length: 10 }, () => accounts.openConnection("10.2.0.1"));
    expect(opened.filter((each) => each !== undefined)).toHaveLength(5);
    expect(accounts.openQuery("10.2.0.1")).toBeUndefined();
    expect(accounts.openConnection("10.2.0.2")).toBeDefined();
  });

  test("give connections the less of the kernel's buffers the more there are, and the first ones what they like", () => {
    const MIB = 1024 * 1024;
    const accounts = new Accounts(
      completeLimits({ bufferedBytesPerServer: 32 * MIB, connectionsPerServer: 2000, ratePerServer: 2000 }),
    );
    const shares = Array.from({ length: 2000 }, () => accounts.openConnection("10.2.0.1")?.bufferShare);
    expect([shares[0], shares[15]]).toEqual([undefined, undefined]);
    expect(shares[16]).toBeWithin(0.9 * MIB, MIB);
    expect([shares[127], shares[511], shares[1999]]).toEqual([MIB / 8, MIB / 32, MIB / 64]);
    expect(accounts.openConnection("10.2.0.2")?.bufferShare).toBeUndefined();
  });

  test("throttle all readers of a container over its budget, late ones too, and let them go again", () => {
    const accounts = new Accounts(completeLimits({ bufferedBytesPerServer: 100 }));
    const account = accounts.openConnection("10.2.0.1") as Account;
    const calls: string[] = [];
    const reader = (name: string) => ({ throttle: (on: boolean) => void calls.push(`${name} ${on}`) });
    account.join(reader("a"));
    account.buffer(100);
    expect(calls).toEqual([]);
    account.buffer(1);
    const late = reader("b");
    account.join(late);
    expect(calls).toEqual(["a true", "b true"]);
    account.leave(late);
    account.buffer(-1);
    expect(calls).toEqual(["a true", "b true", "a false"]);
  });
});

describe("limits", () => {
  test("have defaults, and refuse what is not a positive whole number", () => {
    expect(completeLimits().connectionsPerServer).toBe(512);
    expect(completeLimits({ drainMs: 0 }).drainMs).toBe(0);
    for (const bad of [0, -1, 1.5, Number.NaN, Infinity]) {
      expect(() => completeLimits({ connectionsPerServer: bad })).toThrow("connectionsPerServer");
    }
  });
});
