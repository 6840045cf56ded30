import { describe, expect, test } from "bun:test";
import { formatIpv4 } from "@dp/sys";
import fc from "fast-check";
import { Subnet } from "../src/allocate/subnet.ts";

const bits = fc.integer({ min: 0, max: 0xffff_ffff });
const subnets = fc.tuple(bits, fc.integer({ min: 1, max: 32 })).map(([base, prefix]) => new Subnet(base, prefix));

describe("subnets", () => {
  test("one reads back as it is written", () => {
    fc.assert(fc.property(subnets, (subnet) => expect(Subnet.parse(subnet.toString(), "test")).toEqual(subnet)));
  });

  test("every address of it, and no other, has an index", () => {
    fc.assert(
      fc.property(subnets, bits, (subnet, number) => {
        const index = subnet.indexOf(formatIpv4(number));
        const inside = number >= subnet.base && number < subnet.base + subnet.size;
        expect(index !== undefined).toBe(inside);
        if (index !== undefined) expect(subnet.at(index)).toBe(formatIpv4(number));
      }),
    );
  });

  test("two overlap when the longer one's first address is in the shorter one", () => {
    fc.assert(
      fc.property(subnets, subnets, (one, other) => {
        const [wide, narrow] = one.prefix <= other.prefix ? [one, other] : [other, one];
        expect(one.overlaps(other)).toBe(wide.indexOf(narrow.at(0)) !== undefined);
        expect(other.overlaps(one)).toBe(one.overlaps(other));
      }),
    );
  });

  test("bits behind the prefix are refused, with what was probably meant", () => {
    expect(() => Subnet.parse("10.1.0.5/16", "load")).toThrow("10.1.0.5/16 has bits set behind its prefix");
    expect(() => Subnet.parse("10.1.0.0/33", "load")).toThrow("not an IPv4 subnet");
    expect(() => Subnet.parse("10.1.0.0", "load")).toThrow("not an IPv4 subnet");
    expect(() => Subnet.parse("fd00::/16", "load")).toThrow("not an IPv4 subnet");
  });
});
