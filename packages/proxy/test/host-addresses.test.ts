import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { AddressList, HostAddresses } from "../src/policy/host-addresses.ts";

/** An address of the sandbox's host. */
const ADDRESS = "192.0.2.78";

function address(change: "add" | "delete"): void {
  if (process.env["SANDBOX"] !== "1") throw new Error("this test changes addresses: run it in tools/sandbox");
  expect(Bun.spawnSync(["ip", "address", change, `${ADDRESS}/32`, "dev", "lo"]).exitCode).toBe(0);
}

beforeAll(() => address("add"));
afterAll(() => address("delete"));

describe("the host's own addresses", () => {
  test("are the current addresses of its interfaces, 127.0.0.0/8 and 0.0.0.0/8", () => {
    using host = new HostAddresses();
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address, family } of addresses) if (family === "IPv4") expect(host.has(address)).toBe(true);
    expect(["127.9.9.9", "0.0.0.0", "0.1.2.3"].map((address) => host.has(address))).toEqual([true, true, true]);
    expect(["192.0.2.77", "8.8.8.8", "::1", ""].map((address) => host.has(address))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test("are looked up without leaking a descriptor, whatever the answer", () => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    {
      using host = new HostAddresses();
      for (let times = 0; times < 1000; times++) {
        expect([host.has("192.0.2.77"), host.has(ADDRESS)]).toEqual([false, true]);
      }
      expect(descriptors()).toBeLessThanOrEqual(before + 1);
    }
    // Other descriptors may have been closed in the meantime.
    expect(descriptors()).toBeLessThanOrEqual(before);
  });

  test("are listed again when the list is old", () => {
    let now = 0;
    let addresses = ["192.0.2.1"];
    const list = new AddressList(
      () => addresses,
      () => now,
    );
    expect([list.has("192.0.2.1"), list.has("192.0.2.2")]).toEqual([true, false]);
    addresses = ["192.0.2.2"];
    expect(list.has("192.0.2.2")).toBe(false);
    now += 2001;
    expect(list.has("192.0.2.2")).toBe(true);
  });
});
