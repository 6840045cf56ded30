/** The builder of test packets, against packets written down elsewhere. */
import { expect, test } from "bun:test";
import { dissect } from "./dissect.ts";
import { arp, ethernet, fragments, icmp, ipv4, join, padded, raw, RECORD_ROUTE, tcp, udp } from "./frame.ts";

const ETHERNET = { dst: "02:00:00:00:00:01", src: "02:00:00:00:00:02" };

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/[\s|]/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

test("an IPv4 header has the checksum of a known example", () => {
  const layer = ipv4(
    { src: "192.168.0.1", dst: "192.168.0.199", id: 0, dontFragment: true },
    raw(17, new Uint8Array(0x73 - 20)),
  );
  const header = layer.encode(() => new Uint8Array(0)).subarray(0, 20);
  expect(header).toEqual(hex("4500 0073 | 0000 4000 | 4011 b861 | c0a80001 | c0a800c7"));
});

test("a TCP segment is laid out and summed as RFC 9293 says", () => {
  const frame = ethernet(
    ETHERNET,
    ipv4(
      { src: "10.0.0.1", dst: "10.0.0.2", id: 1 },
      tcp({ src: 1, dst: 2, flags: "S", seq: 3, ack: 0, window: 4 }, "odd"),
    ),
  );
  expect(frame).toEqual(
    hex(
      `020000000001 020000000002 0800
       | 45 00 002b 0001 0000 40 06 66ca 0a000001 0a000002
       | 0001 0002 00000003 00000000 50 02 0004 c86e 0000 | 6f6464`,
    ),
  );
});

test("a UDP datagram whose sum comes out as zero says ffff", () => {
  // The payload makes up what everything else lacks.
  const build = (payload: string) => ipv4({ src: "0.0.0.0", dst: "0.0.0.0" }, udp({ src: 0, dst: 0 }, hex(payload)));
  const datagram = build("ffda")
    .encode(() => new Uint8Array(0))
    .subarray(20);
  expect(datagram).toEqual(hex("0000 0000 000a ffff ffda"));
});

test("an ICMP echo and an ARP request are those of their RFCs", () => {
  const none = () => new Uint8Array(0);
  expect(icmp({ type: 8, rest: 0x12340001 }).encode(none)).toEqual(hex("08 00 e5ca 1234 0001"));
  const request = arp({ senderMac: ETHERNET.src, senderAddress: "10.0.0.1", targetAddress: "10.0.0.2" });
  expect(request.encode(none)).toEqual(hex("0001 0800 06 04 0001 020000000002 0a000001 000000000000 0a000002"));
});

test("tags stand between the addresses and the type", () => {
  const frame = ethernet({ ...ETHERNET, vlans: [{ tpid: 0x88a8, tci: 5 }, { tci: 0xe007 }] }, raw(0x0800, ""));
  expect(frame).toEqual(hex("020000000001 020000000002 88a8 0005 8100 e007 0800"));
  expect(padded(frame).byteLength).toBe(60);
});

test("what is built intact is found intact, and damage is found", () => {
  const frame = ethernet(
    ETHERNET,
    ipv4(
      { src: "198.51.100.7", dst: "203.0.113.10", options: RECORD_ROUTE },
      tcp({ src: 5, dst: 6, flags: "SA" }, "x"),
    ),
  );
  expect(dissect(frame)).toEqual({
    ...ETHERNET,
    ip: { src: "198.51.100.7", dst: "203.0.113.10", headerLength: 40, fragmentOffset: 0, moreFragments: false },
    tcp: { src: 5, dst: 6, syn: true, ack: true },
    ipIntact: true,
    tcpIntact: true,
  });
  expect(dissect(frame.with(30, 9))).toMatchObject({ ipIntact: false, tcpIntact: false });
  expect(dissect(frame.with(frame.byteLength - 1, 0))).toMatchObject({ ipIntact: true, tcpIntact: false });
  expect(dissect(frame.subarray(0, -1))).toBeUndefined();
});

test("the fragments of a datagram put together are the datagram", () => {
  const address = { src: "198.51.100.7", dst: "203.0.113.10" };
  const payload = tcp({ src: 5, dst: 6 }, "0123456789".repeat(5));
  const whole = ethernet(ETHERNET, ipv4(address, payload)).subarray(34);
  const frames = fragments(ETHERNET, address, payload, [24, 48]);
  expect(frames.map((frame) => dissect(frame)?.ip)).toMatchObject([
    { fragmentOffset: 0, moreFragments: true },
    { fragmentOffset: 24, moreFragments: true },
    { fragmentOffset: 48, moreFragments: false },
  ]);
  expect(join(...frames.map((frame) => frame.subarray(34)))).toEqual(join(whole));
  expect(frames.every((frame) => dissect(frame)?.ipIntact)).toBe(true);
});
