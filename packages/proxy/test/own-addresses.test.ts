import { describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { AddressList, OwnAddresses } from "../src/own-addresses.ts";

describe("the host's own addresses", () => {
  test("are those of its interfaces, loopback and 0.0.0.0/8, as the kernel has them now", () => {
    const own = new OwnAddresses();
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address, family } of addresses) if (family === "IPv4") expect(own.has(address)).toBe(true);
    expect(["127.9.9.9", "0.0.0.0", "0.1.2.3"].map((address) => own.has(address))).toEqual([true, true, true]);
    expect(["192.0.2.77", "8.8.8.8", "::1", ""].map((address) => own.has(address))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test("are found in microseconds, and without leaving a descriptor open", () => {
    const own = new OwnAddresses();
    const start = performance.now();
    for (let times = 0; times < 30_000; times++) own.has("192.0.2.77");
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test("in a list are listed again when they are old", () => {
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
