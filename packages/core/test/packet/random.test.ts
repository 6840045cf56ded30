/**
 * What must hold for any packet whatever: noise, and packets that are almost right. A counterexample is printed with
 * the seed to see it again (`fc.assert(..., { seed, path })`).
 */
import { expect, test } from "bun:test";
import { type Dissected, dissect } from "@dp/test-kit/dissect.ts";
import {
  arp,
  ethernet,
  EtherType,
  icmp,
  type Ipv4Fields,
  ipv4,
  type Layer,
  MAXIMUM_OPTIONS,
  Protocol,
  raw,
  RECORD_ROUTE,
  SYN_OPTIONS,
  tcp,
  udp,
} from "@dp/test-kit/frame.ts";
import type { ProgramRunner, Outcome } from "@dp/test-kit/program-runner.ts";
import { A, B, CONFIG, HOST_ADDRESSES, HOST_PEER_MAC, PUBLIC_ADDRESS, UPLINK } from "@dp/test-kit/two-servers.ts";
import fc from "fast-check";
import { runnerFor } from "./table.ts";

const RUNS = 1500;

const runners = { dnat: runnerFor("dnat"), snat: runnerFor("snat"), arp: runnerFor("arp") };

const octet = fc.integer({ min: 0, max: 255 });
const anyAddress = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));
const anyPort = fc.integer({ min: 0, max: 65535 });
const anyMac = fc
  .array(octet, { minLength: 6, maxLength: 6 })
  .map((octets) => octets.map((value) => value.toString(16).padStart(2, "0")).join(":"));

/** Nearly always what is right, so that packets with one or two things wrong get past all other comparisons. */
function mostly<T>(right: T, other: fc.Arbitrary<T>, weight = 12): fc.Arbitrary<T> {
  return fc.oneof({ weight, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: other });
}

const KNOWN_ADDRESSES = [A.address, B.address, A.hostAddress, B.hostAddress, ...HOST_ADDRESSES];
const ODD_ADDRESSES = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"];
const address = fc.oneof(fc.constantFrom(...KNOWN_ADDRESSES), fc.constantFrom(...ODD_ADDRESSES), anyAddress);
const port = fc.oneof(
  fc.constantFrom(A.publicPort, B.publicPort, A.gamePort, CONFIG.httpPort, CONFIG.dnsPort),
  anyPort,
);
const hardware = fc.oneof(fc.constantFrom(A.mac, B.mac, UPLINK.mac, HOST_PEER_MAC), anyMac);
const payload = fc.uint8Array({ maxLength: 64 });
const flags = fc.subarray([..."SAFRPUEC"]).map((letters) => letters.join(""));

/** What a right packet has; each of it is put in nearly always. */
interface Right {
  eth: { dst: string; src: string };
  ip: { src: string; dst: string };
  ports: { src: number; dst: number };
}

function transport(ports: Right["ports"]): fc.Arbitrary<Layer> {
  const fields = fc.record({ src: mostly(ports.src, port), dst: mostly(ports.dst, port) });
  const segment = fc
    .record({
      ports: fields,
      flags,
      options: mostly(new Uint8Array(0), fc.constant(SYN_OPTIONS), 2),
      dataOffset: mostly<number | undefined>(undefined, fc.integer({ min: 0, max: 15 })),
      data: payload,
    })
    .map(({ ports: { src, dst }, dataOffset, data, ...rest }) =>
      tcp({ src, dst, ...rest, ...(dataOffset === undefined ? {} : { dataOffset }) }, data),
    );
  return fc.oneof(
    { weight: 12, arbitrary: segment },
    { weight: 1, arbitrary: fc.tuple(fields, payload).map(([numbers, data]) => udp(numbers, data)) },
    { weight: 1, arbitrary: fc.tuple(octet, payload).map(([type, data]) => icmp({ type }, data)) },
    { weight: 1, arbitrary: fc.tuple(octet, payload).map(([type, data]) => raw(type, data)) },
  );
}

function ipFields(right: Right["ip"]): fc.Arbitrary<Ipv4Fields> {
  return fc
    .record({
      src: mostly(right.src, address),
      dst: mostly(right.dst, address, 6),
      options: mostly<Uint8Array | undefined>(undefined, fc.constantFrom(RECORD_ROUTE, MAXIMUM_OPTIONS), 4),
      moreFragments: mostly<boolean | undefined>(undefined, fc.boolean()),
      fragmentOffset: mostly<number | undefined>(undefined, fc.constantFrom(8, 65528)),
      version: mostly<number | undefined>(undefined, fc.integer({ min: 0, max: 15 })),
      ihl: mostly<number | undefined>(undefined, fc.integer({ min: 0, max: 15 })),
      totalLength: mostly<number | undefined>(undefined, fc.integer({ min: 0, max: 200 })),
      ttl: octet,
    })
    .map((fields) => definedOnly(fields) as Ipv4Fields);
}

function definedOnly(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const anyArp = fc
  .record({
    operation: fc.integer({ min: 0, max: 4 }),
    senderMac: hardware,
    senderAddress: address,
    targetAddress: address,
  })
  .map((fields) => arp(fields));

/** A packet that is right, or nearly: wrong in a field or two, in some bytes, or cut off. */
function almost(right: Right): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      dst: mostly(right.eth.dst, hardware),
      src: mostly(right.eth.src, hardware),
      vlans: mostly<{ tci: number }[]>([], fc.constant([{ tci: 7 }])),
      layer: fc.oneof(
        { weight: 12, arbitrary: fc.tuple(ipFields(right.ip), transport(right.ports)).map(([ip, l4]) => ipv4(ip, l4)) },
        { weight: 1, arbitrary: anyArp },
      ),
      changes: mostly<[number, number][]>(
        [],
        fc.array(fc.tuple(fc.integer({ min: 0, max: 80 }), octet), { maxLength: 3 }),
        3,
      ),
    })
    .map(({ dst, src, vlans, layer, changes }) => {
      const frame = ethernet({ dst, src, vlans }, layer);
      for (const [at, byte] of changes) if (at < frame.byteLength) frame[at] = byte;
      return frame;
    });
}

const TO_SERVER: Right = {
  eth: { dst: UPLINK.mac, src: "02:bb:00:00:00:01" },
  ip: { src: "198.51.100.7", dst: PUBLIC_ADDRESS },
  ports: { src: 40000, dst: A.publicPort },
};

const FROM_SERVER: Right = {
  eth: { dst: HOST_PEER_MAC, src: A.mac },
  ip: { src: A.address, dst: "198.51.100.7" },
  ports: { src: A.gamePort, dst: 40000 },
};

const TO_PROXY: Right = {
  eth: FROM_SERVER.eth,
  ip: { src: A.address, dst: A.hostAddress },
  ports: { src: 40000, dst: CONFIG.httpPort },
};

const noise = fc.uint8Array({ minLength: 64, maxLength: 256 });

interface Arrival {
  frame: Uint8Array;
  cutTo: number | undefined;
}

function etherType(frame: Uint8Array): number {
  return ((frame[12] as number) << 8) | (frame[13] as number);
}

function arrival(right: Right): fc.Arbitrary<Arrival> {
  return (
    fc
      .tuple(
        fc.oneof({ weight: 9, arbitrary: almost(right) }, { weight: 1, arbitrary: noise }),
        mostly<number | undefined>(undefined, fc.integer({ min: 14, max: 120 })),
      )
      .map(([frame, cut]) => ({ frame, cutTo: cut !== undefined && cut < frame.byteLength ? cut : undefined }))
      // Test runs refuse an IPv6 frame without a whole header; these programs read none.
      .filter(({ frame }) => frame.byteLength >= 54 || etherType(frame) !== EtherType.ipv6)
  );
}

/** Runs one packet and holds the outcome against what is true of every program. */
function observe(runner: ProgramRunner, { frame, cutTo }: Arrival): { sent: Uint8Array; outcome: Outcome } {
  const outcome = runner.run(frame, cutTo === undefined ? {} : { cutTo });
  const sent = frame.subarray(0, cutTo);
  if (outcome.verdict !== "redirect") expect(outcome.packet).toEqual(sent.slice());
  expect(outcome.packet.byteLength).toBe(sent.byteLength);
  return { sent, outcome };
}

/** Whatever was intact still is; what was not, is not. */
function expectChecksumsKept(sent: Uint8Array, packet: Uint8Array): void {
  const before = dissect(sent);
  const after = dissect(packet);
  expect(after?.ipIntact).toBe(before?.ipIntact as boolean);
  expect(after?.tcpIntact).toBe(before?.tcpIntact as boolean | undefined);
}

/** Offsets of the bytes that differ. */
function changedBytes(before: Uint8Array, after: Uint8Array): number[] {
  return [...after.keys()].filter((at) => before[at] !== after[at]);
}

const range = (start: number, length: number) => Array.from({ length }, (_, index) => start + index);

test("dp_dnat never drops, and changes only what it sends to a container", () => {
  let redirected = 0;
  fc.assert(
    fc.property(arrival(TO_SERVER), (each) => {
      const runner = runners.dnat();
      runner.clear("dp_fragments");
      const { sent, outcome } = observe(runner, each);
      if (outcome.verdict === "next") {
        expect(outcome.counts).toEqual({});
        return;
      }
      redirected++;
      expect(outcome.verdict).toBe("redirect");
      const before = dissect(sent) as Dissected;
      const server = [A, B].find(({ publicPort }) => publicPort === before.tcp?.dst);
      expect(before).toMatchObject({ dst: UPLINK.mac, ip: { dst: PUBLIC_ADDRESS, fragmentOffset: 0 } });
      expect(server).toBeDefined();
      expect(outcome.counts).toEqual({
        [`${server?.publicPort} in packets`]: 1,
        [`${server?.publicPort} in bytes`]: sent.byteLength,
      });
      expect(dissect(outcome.packet)).toMatchObject({
        src: before.src,
        dst: server?.mac as string,
        ip: { ...before.ip, dst: server?.address as string },
        tcp: { ...before.tcp, dst: server?.gamePort as number },
      });
      const l4 = 14 + before.ip.headerLength;
      const mayChange = [range(0, 6), range(24, 2), range(30, 4), range(l4 + 2, 2), range(l4 + 16, 2)].flat();
      expect(changedBytes(sent, outcome.packet).filter((at) => !mayChange.includes(at))).toEqual([]);
      expectChecksumsKept(sent, outcome.packet);
    }),
    { numRuns: RUNS },
  );
  // Else the packets above say little.
  expect(redirected).toBeGreaterThan(RUNS / 10);
});

test("dp_snat lets nothing out but replies, and nothing up but what is for the host", () => {
  let redirected = 0;
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof(arrival(FROM_SERVER), arrival(TO_PROXY)), (each) => {
      const runner = runners.snat();
      const { sent, outcome } = observe(runner, each);
      const { verdict, counts } = outcome;
      if (verdict === "drop") {
        expect(Object.values(counts)).toEqual([1]);
        expect(Object.keys(counts)[0]).toStartWith(`${A.hostPeer} drop `);
        return;
      }
      const before = dissect(sent) as Dissected;
      expect(before).toMatchObject({
        src: A.mac,
        ip: { src: A.address, fragmentOffset: 0, moreFragments: false },
      });
      if (verdict === "pass") {
        passed++;
        expect([A.hostAddress, ...HOST_ADDRESSES]).toContain(before.ip.dst);
        expect(counts).toEqual({});
        return;
      }
      redirected++;
      expect(verdict).toBe("redirect");
      expect(before.tcp?.src).toBe(A.gamePort);
      expect(before.tcp?.syn && !before.tcp.ack).toBe(false);
      expect(before.ip.dst).not.toMatch(/^(0|127|22[4-9]|2[345]\d|10\.[12])\./);
      expect(HOST_ADDRESSES).not.toContain(before.ip.dst);
      expect(counts).toEqual({
        [`${A.hostPeer} out packets`]: 1,
        [`${A.hostPeer} out bytes`]: sent.byteLength,
      });
      expect(dissect(outcome.packet)).toMatchObject({
        src: before.src,
        dst: before.dst,
        ip: { ...before.ip, src: PUBLIC_ADDRESS },
        tcp: { ...before.tcp, src: A.publicPort },
      });
      const l4 = 14 + before.ip.headerLength;
      const mayChange = [range(24, 2), range(26, 4), range(l4, 2), range(l4 + 16, 2)].flat();
      expect(changedBytes(sent, outcome.packet).filter((at) => !mayChange.includes(at))).toEqual([]);
      expectChecksumsKept(sent, outcome.packet);
    }),
    { numRuns: RUNS },
  );
  // About a tenth each, and never by chance so few.
  expect(redirected).toBeGreaterThan(RUNS / 30);
  expect(passed).toBeGreaterThan(RUNS / 30);
});

test("dp_arp answers with nothing but the gateway's MAC, and leaves all but ARP alone", () => {
  let answered = 0;
  const asked = fc
    .tuple(hardware, mostly(1, octet), mostly(A.address, address), mostly(A.hostAddress, address))
    .map(([senderMac, operation, senderAddress, targetAddress]) => ({
      frame: ethernet(
        { dst: "ff:ff:ff:ff:ff:ff", src: A.mac },
        arp({ senderMac, operation, senderAddress, targetAddress }),
      ),
      cutTo: undefined,
    }));
  fc.assert(
    fc.property(fc.oneof(arrival(FROM_SERVER), asked), (each) => {
      const { sent, outcome } = observe(runners.arp(), each);
      const isArp = etherType(sent) === EtherType.arp;
      if (outcome.verdict === "next") expect([isArp, outcome.counts]).toEqual([false, {}]);
      if (outcome.verdict === "drop") expect([isArp, Object.values(outcome.counts)]).toEqual([true, [1]]);
      if (outcome.verdict !== "redirect") return;
      answered++;
      const answer = ethernet(
        { dst: A.mac, src: HOST_PEER_MAC },
        arp({
          operation: 2,
          senderMac: HOST_PEER_MAC,
          senderAddress: A.hostAddress,
          targetMac: A.mac,
          targetAddress: A.address,
        }),
      );
      expect(outcome.packet.subarray(0, 42)).toEqual(answer);
      expect(outcome.packet.subarray(42)).toEqual(sent.subarray(42));
      expect(outcome.counts).toEqual({});
    }),
    { numRuns: RUNS },
  );
  expect(answered).toBeGreaterThan(RUNS / 20);
});

const player = fc.record({
  // Of players as such: not of the host, its containers, or those no player has.
  address: anyAddress.filter(
    (text) => !/^(0|127|22[4-9]|2[345]\d|10\.[12])\./.test(text) && !HOST_ADDRESSES.includes(text),
  ),
  port: anyPort,
});

/** Where the kernel can, with its own check of what the program changed. */
function run(runner: ProgramRunner, packet: Uint8Array): Omit<Outcome, "counts"> {
  return runner.runUncounted(packet, { checksumComplete: runner.checksumComplete });
}

/** Any sequence numbers and data, so any checksum. */
const anySegment = fc.record({
  flags,
  seq: fc.integer({ min: 0, max: 0xffffffff }),
  ack: fc.integer({ min: 0, max: 0xffffffff }),
  window: anyPort,
  options: fc.constantFrom(new Uint8Array(0), SYN_OPTIONS),
});

const anyIp = fc.record({
  id: anyPort,
  ttl: octet,
  tos: octet,
  options: fc.constantFrom(new Uint8Array(0), RECORD_ROUTE, MAXIMUM_OPTIONS),
});

test("any player's packet to a server arrives, with checksums that are right", () => {
  fc.assert(
    fc.property(player, anySegment, anyIp, payload, fc.constantFrom(A, B), (from, fields, ip, data, server) => {
      const packet = ethernet(
        { dst: UPLINK.mac, src: "02:bb:00:00:00:01" },
        ipv4(
          { ...ip, src: from.address, dst: PUBLIC_ADDRESS },
          tcp({ ...fields, src: from.port, dst: server.publicPort }, data),
        ),
      );
      const outcome = run(runners.dnat(), packet);
      expect(outcome.verdict).toBe("redirect");
      expect(dissect(outcome.packet)).toMatchObject({
        dst: server.mac,
        ip: { src: from.address, dst: server.address },
        tcp: { src: from.port, dst: server.gamePort },
        ipIntact: true,
        tcpIntact: true,
      });
    }),
    { numRuns: RUNS },
  );
});

test("any reply of a server leaves, with checksums that are right", () => {
  fc.assert(
    fc.property(player, anySegment, anyIp, payload, (to, fields, ip, data) => {
      fc.pre(!fields.flags.includes("S") || fields.flags.includes("A"));
      const packet = ethernet(
        { dst: HOST_PEER_MAC, src: A.mac },
        ipv4({ ...ip, src: A.address, dst: to.address }, tcp({ ...fields, src: A.gamePort, dst: to.port }, data)),
      );
      const outcome = run(runners.snat(), packet);
      expect(outcome.verdict).toBe("redirect");
      expect(dissect(outcome.packet)).toMatchObject({
        ip: { src: PUBLIC_ADDRESS, dst: to.address },
        tcp: { src: A.publicPort, dst: to.port },
        ipIntact: true,
        tcpIntact: true,
      });
    }),
    { numRuns: RUNS },
  );
});

test("a packet there and its answer back are each other's mirror image", () => {
  fc.assert(
    fc.property(player, anySegment, payload, (from, fields, data) => {
      fc.pre(!fields.flags.includes("S") || fields.flags.includes("A"));
      const there = runners
        .dnat()
        .run(
          ethernet(
            { dst: UPLINK.mac, src: "02:bb:00:00:00:01" },
            ipv4(
              { src: from.address, dst: PUBLIC_ADDRESS },
              tcp({ ...fields, src: from.port, dst: A.publicPort }, data),
            ),
          ),
        );
      const arrived = dissect(there.packet) as Dissected & { tcp: { src: number; dst: number } };
      const back = runners
        .snat()
        .run(
          ethernet(
            { dst: HOST_PEER_MAC, src: arrived.dst },
            ipv4(
              { src: arrived.ip.dst, dst: arrived.ip.src },
              tcp({ ...fields, src: arrived.tcp.dst, dst: arrived.tcp.src }, data),
            ),
          ),
        );
      expect(dissect(back.packet)).toMatchObject({
        ip: { src: PUBLIC_ADDRESS, dst: from.address },
        tcp: { src: A.publicPort, dst: from.port },
        ipIntact: true,
        tcpIntact: true,
      });
    }),
    { numRuns: RUNS / 3 },
  );
});

test("noise under every IP protocol is left alone or dropped", () => {
  const noisy = fc.tuple(
    fc.integer({ min: 0, max: 255 }).filter((protocol) => protocol !== Protocol.tcp),
    payload,
  );
  fc.assert(
    fc.property(noisy, ([protocol, data]) => {
      const packet = (eth: { dst: string; src: string }, src: string, dst: string) =>
        ethernet(eth, ipv4({ src, dst }, raw(protocol, data)));
      const arriving = packet({ dst: UPLINK.mac, src: B.mac }, "198.51.100.7", PUBLIC_ADDRESS);
      expect(runners.dnat().run(arriving)).toEqual({ verdict: "next", packet: arriving, counts: {} });
      const leaving = packet({ dst: HOST_PEER_MAC, src: A.mac }, A.address, "198.51.100.7");
      expect(runners.snat().run(leaving)).toMatchObject({ verdict: "drop", packet: leaving });
    }),
    { numRuns: RUNS / 3 },
  );
});
