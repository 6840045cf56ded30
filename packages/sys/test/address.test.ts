import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  DatapathError,
  familyOf,
  formatAddress,
  formatIpv4,
  formatIpv6,
  parseAddress,
  parseIpv4,
  parseIpv6,
  Prefix,
} from "../src/index.ts";

const bits = fc.integer({ min: 0, max: 0xffff_ffff });
const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
const ipv6 = groups.map((list) => Uint8Array.from(list.flatMap((group) => [group >> 8, group & 0xff])));
const ipv4 = bits.map((number) => parseAddress(formatIpv4(number)) as Uint8Array);
const anyAddress = fc.oneof(ipv4, ipv6);

const IPV4_TEXTS = ["0.0.0.0", "10.1.0.7", "255.255.255.255"];
const NOT_IPV4 = [
  "",
  "1.2.3",
  "1.2.3.4.5",
  "256.1.1.1",
  "01.2.3.4",
  "1.2.3.00",
  "1.2.3.x",
  " 1.2.3.4",
  "1.2.3.4 ",
  "1.2.3.4/8",
  "0x7f.1.1.1",
  "1e1.0.0.1",
  "1..2.3",
  "-1.2.3.4",
  "+1.2.3.4",
  "1.2.3.4\n",
  "2130706433",
];
const NOT_IPV6 = [
  ":",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "12345::",
  "fe80::1%eth0",
  "::g",
  "::1\n",
  "[::1]",
  ":1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:",
  "1:2:3:4::5:6:7:8",
  "1.2.3.4::",
  "::1.2.3.4:5",
  "::1.2.3",
  "::01.2.3.4",
];

describe("IPv4", () => {
  test("a number that is written as an address reads as the same number", () => {
    fc.assert(fc.property(bits, (number) => expect(parseIpv4(formatIpv4(number))).toBe(number)));
  });

  test("the first octet is the highest", () => {
    expect(parseIpv4("10.1.0.7")).toBe(0x0a010007);
  });

  test.each(NOT_IPV4)("%j is not an address", (text) => {
    expect(parseIpv4(text)).toBeUndefined();
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("IPv6", () => {
  test("bytes that are written as an address read as the same bytes", () => {
    fc.assert(fc.property(ipv6, (bytes) => expect(parseIpv6(formatIpv6(bytes))).toEqual(bytes)));
  });

  test("is written as the URL standard, which follows RFC 5952, writes it", () => {
    fc.assert(
      fc.property(ipv6, (bytes) => {
        const text = formatIpv6(bytes);
        // URLs have no dotted form.
        if (text.includes(".")) return;
        expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`);
      }),
    );
  });

  test.each(["::", "::1", "1::", "fd00::2", "1:0:2::3", "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1", "::ffff:1.2.3.4"])(
    "%s is canonical",
    (text) => expect(formatIpv6(parseIpv6(text) as Uint8Array)).toBe(text),
  );

  test.each([
    ["FD00:0:0:0::0002", "fd00::2"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
    ["::1.2.3.4", "::102:304"],
    ["::ffff:a00:1", "::ffff:10.0.0.1"],
  ])("%s is written as %s", (text, canonical) => {
    expect(formatIpv6(parseIpv6(text) as Uint8Array)).toBe(canonical);
  });

  test.each(NOT_IPV6)("%j is not an address", (text) => {
    expect(parseIpv6(text)).toBeUndefined();
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("the 16-byte form", () => {
  test("has one text for each value, and one value for each text", () => {
    fc.assert(fc.property(anyAddress, (bytes) => expect(parseAddress(formatAddress(bytes))).toEqual(bytes)));
  });

  test("of IPv4 is ::ffff:a.b.c.d", () => {
    expect(parseAddress("10.1.0.7")).toEqual(parseIpv6("::ffff:10.1.0.7"));
  });

  test("keeps the family", () => {
    for (const text of IPV4_TEXTS) expect(familyOf(parseAddress(text) as Uint8Array)).toBe("ipv4");
    for (const text of ["::", "2001:db8::1"]) expect(familyOf(parseAddress(text) as Uint8Array)).toBe("ipv6");
  });

  test.each(["::ffff:10.0.0.1", "::ffff:a00:1", "0:0:0:0:0:FFFF:0a00:0001"])(
    "%s is refused: it would be a second text of 10.0.0.1",
    (text) => expect(parseAddress(text)).toBeUndefined(),
  );

  test("has 16 bytes", () => {
    for (const length of [0, 4, 15, 17]) {
      expect(() => formatAddress(new Uint8Array(length))).toThrow(RangeError);
      expect(() => formatIpv6(new Uint8Array(length))).toThrow(RangeError);
    }
  });
});

describe("prefixes", () => {
  const prefixes = anyAddress.chain((address) =>
    fc.nat(familyOf(address) === "ipv4" ? 32 : 128).map((length) => Prefix.of(address, length)),
  );
  const address = (text: string) => parseAddress(text) as Uint8Array;

  test("one reads as it is written", () => {
    fc.assert(
      fc.property(prefixes, (prefix) => {
        const read = Prefix.parse(prefix.toString(), "test");
        expect([read.toString(), read.address, read.length]).toEqual([
          prefix.toString(),
          prefix.address,
          prefix.length,
        ]);
      }),
    );
  });

  test("an address is in one when their first bits are the same", () => {
    fc.assert(
      fc.property(prefixes, anyAddress, (prefix, other) => {
        const skipped = prefix.family === "ipv4" ? 96 : 0;
        const binary = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
        const first = (bytes: Uint8Array) => binary(bytes).slice(0, skipped + prefix.length);
        const inside = familyOf(other) === prefix.family && first(other) === first(prefix.address);
        expect(prefix.contains(other)).toBe(inside);
        expect(prefix.contains(prefix.address)).toBeTrue();
      }),
    );
  });

  test("one has an address for each index, and an index for each address", () => {
    fc.assert(
      fc.property(prefixes, fc.nat(), (prefix, number) => {
        const index = number % Math.min(prefix.size, 2 ** 31);
        expect(prefix.contains(prefix.at(index))).toBeTrue();
        expect(prefix.indexOf(prefix.at(index))).toBe(index);
      }),
    );
    const subnet = Prefix.parse("10.1.0.0/24", "test");
    expect(subnet.size).toBe(256);
    expect(formatAddress(subnet.at(255))).toBe("10.1.0.255");
    expect(formatAddress(Prefix.parse("fd00::/64", "test").at(0x1_0000))).toBe("fd00::1:0");
    for (const index of [-1, 256, 0.5, Number.NaN]) expect(() => subnet.at(index)).toThrow(RangeError);
    expect(subnet.indexOf(address("10.1.1.0"))).toBeUndefined();
    expect(subnet.indexOf(address("fd00::1"))).toBeUndefined();
  });

  test("two overlap when the longer one's first address is in the shorter one", () => {
    fc.assert(
      fc.property(prefixes, prefixes, (one, other) => {
        const [wide, narrow] = one.length <= other.length ? [one, other] : [other, one];
        expect(one.overlaps(other)).toBe(wide.contains(narrow.address));
        expect(other.overlaps(one)).toBe(one.overlaps(other));
      }),
    );
  });

  test("0.0.0.0/0 contains every IPv4 address and no IPv6 address", () => {
    const all = Prefix.parse("0.0.0.0/0", "test");
    fc.assert(fc.property(anyAddress, (one) => expect(all.contains(one)).toBe(familyOf(one) === "ipv4")));
  });

  test("an address alone is a prefix of its whole length", () => {
    expect(Prefix.parse("10.1.0.7", "test").toString()).toBe("10.1.0.7/32");
    expect(Prefix.parse("2001:db8::1", "test").toString()).toBe("2001:db8::1/128");
  });

  test.each(["", "/8", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/08", "10.1.0.0/ 8", "10.1/16", "fd00::/129", "a/8/8"])(
    "%j is none",
    (text) => expect(() => Prefix.parse(text, "load")).toThrow(DatapathError),
  );

  test("bits behind the prefix are refused, with the prefix that was probably meant", () => {
    const message = "load: 10.1.0.5/16 has bits set behind its prefix";
    expect(() => Prefix.parse("10.1.0.5/16", "load")).toThrow(
      expect.objectContaining({ message, code: "BAD_USAGE", hint: "did you mean 10.1.0.0/16?" }),
    );
  });

  test("a length that the family does not have is refused", () => {
    expect(() => Prefix.of(address("10.1.0.0"), 33)).toThrow(RangeError);
    expect(() => Prefix.of(address("::1"), -1)).toThrow(RangeError);
  });
});
