import { describe, expect, test } from "bun:test";
import { DatapathError } from "@dp/sys";
import { effectiveCapabilities } from "../src/kernel/privileges.ts";
import { checkAddress, checkInterfaceName, checkName, checkPort, checkPortRange } from "../src/server/check-input.ts";

function refused(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    expect(error).toBeInstanceOf(DatapathError);
    expect((error as DatapathError).code).toBe("BAD_USAGE");
    return (error as DatapathError).message;
  }
  throw new Error("it was accepted");
}

describe("bad input is refused before anything is looked at", () => {
  test.each([0, -1, 65536, 1.5, Number.NaN])("port %p", (port) => {
    expect(refused(() => checkPort(port, "the port"))).toContain("expected a whole number from 1 to 65535");
  });

  test.each(["", "-a", ".a", "_a", "a b", "a/b", "größe", "a\n", "a".repeat(64)])("name %j", (name) => {
    refused(() => checkName(name, "the name"));
  });

  test.each(["a", "7", "lobby-1.eu_west", "A".repeat(63)])("name %j is fine", (name) => {
    expect(checkName(name, "the name")).toBe(name);
  });

  test.each(["", ".", "..", "a/b", "a:b", "a b", "eth%d", "0123456789abcdef", "é"])("interface name %j", (name) => {
    refused(() => checkInterfaceName(name));
  });

  test.each(["", "10.2.0", "10.2.0.999", "fd00::1", "localhost"])("address %j", (address) => {
    refused(() => checkAddress(address, "the address"));
  });

  test("a port range that ends before it begins, with what was probably meant", () => {
    expect(refused(() => checkPortRange([30000, 25565]))).toContain("ends before it begins");
    expect(checkPortRange([25565, 25565])).toEqual([25565, 25565]);
  });
});

test("capabilities are read from /proc/PID/status", () => {
  expect(effectiveCapabilities("Name:\tbun\nCapInh:\t0\nCapEff:\t0000000000201000\n")).toBe(0x20_1000n);
  expect(effectiveCapabilities("")).toBe(0n);
});
