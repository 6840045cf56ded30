/** Properties of the codec: what is written is read back, and no bytes whatever do worse than the typed error. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readRawAttributes, writeRawAttributes } from "../src/codec/attribute.ts";
import {
  addressMessage,
  attributes,
  type Codec,
  type Frame,
  filterMessage,
  linkAttributes,
  linkMessage,
  MalformedMessageError,
  neighbourMessage,
  readAcknowledgement,
  readFrames,
  routeMessage,
  text,
  u16,
  u32,
  u64,
  u8,
  vethAttributes,
  writeFrame,
} from "../src/codec/index.ts";
import { formatIp, parseIp } from "../src/codec/ip.ts";
import { formatMac, parseMac } from "../src/codec/mac.ts";

const payload = fc.uint8Array({ maxLength: 40 });
const codecs: Record<string, Codec<unknown>> = {
  linkMessage,
  addressMessage,
  routeMessage,
  neighbourMessage,
  filterMessage,
  vethAttributes,
  linkAttributes,
};

/** Whether `body` succeeded; it may only fail with the typed error. */
function survives(body: () => unknown): boolean {
  try {
    body();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedMessageError);
    return false;
  }
}

describe("round trips", () => {
  test("messages", () => {
    const frame = fc.record({
      type: fc.nat(0xffff),
      flags: fc.nat(0xffff),
      sequence: fc.nat(0xffff_ffff),
      portId: fc.nat(0xffff_ffff),
      payload,
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        const datagram = Uint8Array.from(frames.flatMap((one) => [...writeFrame(one)]));
        expect(readFrames(datagram)).toEqual(frames);
      }),
    );
  });

  test("attributes of any type, with any flags and payload", () => {
    const attribute = fc.record({ type: fc.nat(0x3fff), flags: fc.constantFrom(0, 0x4000, 0x8000, 0xc000), payload });
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 8 }), (list) => {
        expect(readRawAttributes(writeRawAttributes(list))).toEqual(list);
      }),
    );
  });

  test("whole messages: header, known, nested and unknown attributes", () => {
    const name = fc.string({ unit: "grapheme-ascii", maxLength: 15 });
    const mac = fc.uint8Array({ maxLength: 8 }).map(formatMac);
    const attribute = fc.oneof(
      fc.record({ name: fc.constant("IFLA_IFNAME"), value: name, flags: fc.constant(0) }),
      fc.record({ name: fc.constant("IFLA_ADDRESS"), value: mac, flags: fc.constant(0) }),
      fc.record({ name: fc.constant("IFLA_MTU"), value: fc.nat(0xffff_ffff), flags: fc.constant(0) }),
      fc.record({
        name: fc.constant("IFLA_LINKINFO"),
        value: fc.array(fc.record({ name: fc.constant("IFLA_INFO_KIND"), value: name, flags: fc.constant(0) })),
        flags: fc.constant(0x8000),
      }),
      fc.record({
        name: fc.constant(undefined),
        type: fc.integer({ min: 1000, max: 1100 }),
        flags: fc.constant(0),
        value: payload,
      }),
    );
    const header = fc.record({
      ifi_family: fc.nat(255),
      ifi_type: fc.nat(0xffff),
      ifi_index: fc.integer(),
      ifi_flags: fc.nat(0xffff_ffff),
      ifi_change: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(header, fc.array(attribute), (head, list) => {
        const message = { header: head, attributes: list as ReturnType<typeof linkAttributes.read> };
        const written = linkMessage.write(message);
        expect(linkMessage.read(written)).toEqual(message);
        expect(written.byteLength % 4).toBe(0);
      }),
    );
  });

  test("IP addresses", () => {
    const address = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), ipv6());
    fc.assert(fc.property(address, (bytes) => expect(parseIp(formatIp(bytes) as string)).toEqual(bytes)));
  });

  test("link-layer addresses", () => {
    fc.assert(fc.property(payload, (bytes) => expect(parseMac(formatMac(bytes))).toEqual(bytes)));
  });
});

/** IPv6 addresses with runs of zeros. */
function ipv6(): fc.Arbitrary<Uint8Array> {
  const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
  return fc
    .array(group, { minLength: 8, maxLength: 8 })
    .map((groups) => Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 0xff])));
}

describe("damaged input", () => {
  test("random bytes are read or refused, by every reader", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        survives(() => readFrames(bytes).map((frame) => survives(() => readAcknowledgement(frame))));
        survives(() => readRawAttributes(bytes));
        for (const codec of Object.values(codecs)) survives(() => codec.read(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test("attributes with random contents behind a header are read or refused", () => {
    const attribute = fc.record({ type: fc.nat(70), flags: fc.constantFrom(0, 0x8000), payload });
    let read = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(attribute, { minLength: 1, maxLength: 4 }), (list) => {
        const tail = writeRawAttributes(list);
        for (const codec of Object.values(codecs)) {
          const start = codec === vethAttributes || codec === linkAttributes ? 0 : headerSize(codec);
          const bytes = Uint8Array.from([...new Uint8Array(start), ...tail]);
          if (survives(() => codec.read(bytes))) read++;
          else refused++;
        }
      }),
      { numRuns: 2000 },
    );
    expect([read > 500, refused > 500]).toEqual([true, true]);
  });

  test("a message cut short anywhere is refused, or ends where an attribute ends", () => {
    const whole = routeMessage.build(
      { rtm_family: 2, rtm_dst_len: 32 },
      { RTA_DST: "10.2.0.5", RTA_OIF: 7, RTA_MULTIPATH: [{ flags: 0, hops: 0, ifindex: 7, attributes: [] }] },
    );
    const lengths = Array.from({ length: whole.byteLength }, (_, length) => length);
    const good = lengths.filter((length) => survives(() => routeMessage.read(whole.subarray(0, length))));
    expect(good).toEqual([12, 20, 28]);

    const frame: Frame = { type: 24, flags: 0, sequence: 1, portId: 0, payload: whole };
    const datagram = writeFrame(frame);
    for (let length = 1; length < datagram.byteLength; length++) {
      expect(survives(() => readFrames(datagram.subarray(0, length)))).toBe(false);
    }
  });

  const refusals: [what: string, read: () => unknown, message: string][] = [
    [
      "a value of the wrong size",
      () => linkAttributes.read(Uint8Array.of(6, 0, 4, 0, 1, 2, 0, 0)),
      "read a netlink message: IFLA_MTU: 2 bytes where a u32 has 4",
    ],
    [
      "a nested attribute that runs over",
      () => linkAttributes.read(Uint8Array.of(8, 0, 18, 0, 9, 0, 1, 0)),
      "read a netlink message: IFLA_LINKINFO: attribute 1 at byte 0 has length 9, with 4 bytes left",
    ],
    [
      "an attribute shorter than its header",
      () => readRawAttributes(Uint8Array.of(3, 0, 1, 0)),
      "read a netlink message: attribute 1 at byte 0 has length 3, with 4 bytes left",
    ],
    [
      "a stray byte",
      () => readRawAttributes(Uint8Array.of(4, 0, 1, 0, 9)),
      "read a netlink message: 1 byte after the last attribute",
    ],
    [
      "an address of 5 bytes",
      () => routeMessage.read(Uint8Array.of(...new Uint8Array(12), 9, 0, 1, 0, 1, 2, 3, 4, 5, 0, 0, 0)),
      "read a netlink message: RTA_DST: 5 bytes where an IP address has 4 or 16",
    ],
    [
      "a next hop that would never end",
      () => routeMessage.read(Uint8Array.of(...new Uint8Array(12), 12, 0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0)),
      "read a netlink message: RTA_MULTIPATH: the next hop at byte 0 has length 0, with 8 bytes left",
    ],
    [
      "a header cut short",
      () => linkMessage.read(new Uint8Array(15)),
      "read a netlink message: 15 bytes where struct ifinfomsg has 16",
    ],
    [
      "a message longer than its datagram",
      () => readFrames(Uint8Array.of(17, ...new Uint8Array(15))),
      "read a netlink message: the message at byte 0 has length 17, with 16 bytes left",
    ],
    [
      "a message of length 0, which would never end",
      () => readFrames(new Uint8Array(16)),
      "read a netlink message: the message at byte 0 has length 0, with 16 bytes left",
    ],
    [
      "an error code no errno can be",
      () => readAcknowledgement({ type: 2, flags: 0, sequence: 0, portId: 0, payload: Uint8Array.of(1, 0, 0, 0) }),
      "read a netlink message: NLMSG_ERROR: 1 is not a negative errno",
    ],
  ];
  for (const [what, read, message] of refusals) {
    test(`${what} is refused with the place and the reason`, () => expect(read).toThrow(message));
  }
});

/** What a body codec has before its attributes. */
function headerSize(codec: Codec<unknown>): number {
  let size = 0;
  while (!survives(() => codec.read(new Uint8Array(size)))) size++;
  return size;
}

describe("values", () => {
  test("numbers out of range are not written", () => {
    expect(() => u8.write(256)).toThrow(RangeError);
    expect(() => u16.write(-1)).toThrow(RangeError);
    expect(() => u32.write(1.5)).toThrow(RangeError);
    expect(() => u32.write(Number.NaN)).toThrow(RangeError);
    expect(() => u64.write(1n << 64n)).toThrow(RangeError);
    expect(u64.read(u64.write((1n << 64n) - 1n))).toBe((1n << 64n) - 1n);
  });

  test("an attribute longer than its length field can say is not written", () => {
    expect(() => writeRawAttributes([{ type: 1, flags: 0, payload: new Uint8Array(65_532) }])).toThrow(RangeError);
  });

  test("strings end at the first NUL, and none is written inside", () => {
    expect(text.read(Uint8Array.of(0x61, 0, 0x62))).toBe("a");
    expect(text.read(Uint8Array.of(0x61))).toBe("a");
    expect(text.read(Uint8Array.of())).toBe("");
    expect(() => text.write("a\0b")).toThrow(RangeError);
  });

  test("of an attribute given twice the last counts; those left undefined are not written", () => {
    const set = attributes({ A: [1, u8], B: [2, u8] });
    expect(
      set.values([
        { name: "A", value: 1 },
        { name: "A", value: 2 },
      ]),
    ).toEqual({ A: 2 });
    expect(set.list({ B: 7, A: undefined })).toEqual([{ name: "B", value: 7 }]);
    expect(() => set.write([{ name: "C" as "A", value: 1 }])).toThrow("no attribute is called C");
  });

  test("link-layer addresses in text", () => {
    expect(parseMac("7E:90:c4:ed:df:D0")).toEqual(Uint8Array.of(0x7e, 0x90, 0xc4, 0xed, 0xdf, 0xd0));
    for (const mac of [
      "7e-90-c4-ed-df-d0",
      "7e90c4eddfd0",
      "7e:90:c4:ed:df:",
      "7:90:c4:ed:df:d0",
      "7e:90:c4:ed:df:dg",
    ]) {
      expect(parseMac(mac)).toBeUndefined();
    }
  });
});
