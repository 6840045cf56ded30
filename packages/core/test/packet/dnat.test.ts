/** bpf/dnat.bpf.c, rule by rule, at the uplink. See runner.ts for the topology. */
import { describe, expect, test } from "bun:test";
import { dissect } from "@dp/test-kit/dissect.ts";
import {
  arp,
  ethernet,
  EtherType,
  type EthernetFields,
  fragments,
  icmp,
  IcmpType,
  ipv4,
  type Ipv4Fields,
  ipv6,
  join,
  MAXIMUM_OPTIONS,
  Protocol,
  raw,
  RECORD_ROUTE,
  SYN_OPTIONS,
  tcp,
  type TcpFields,
  udp,
} from "@dp/test-kit/frame.ts";
import { A, B, PUBLIC_ADDRESS, type Server, UPLINK } from "@dp/test-kit/two-servers.ts";
import { endpointKey, forwardOf } from "@dp/test-kit/write-server.ts";
import { u64 } from "../../src/libbpf/index.ts";
import { IMPOSSIBLE_SOURCES } from "./impossible-sources.ts";
import { runnerFor, into, table } from "./table.ts";
import { type Details, packetOf, type Plain, translates } from "./translation.ts";

const runner = runnerFor("dnat");

const GATEWAY_MAC = "02:bb:00:00:00:01";
const PLAYER = { address: "198.51.100.7", port: 40000 };

const ARRIVING: EthernetFields = { dst: UPLINK.mac, src: GATEWAY_MAC };
const TO_PUBLIC: Ipv4Fields = { src: PLAYER.address, dst: PUBLIC_ADDRESS, ttl: 55 };
const TO_A: TcpFields = { src: PLAYER.port, dst: A.port };

const PLAIN: Plain = { eth: ARRIVING, ip: TO_PUBLIC, tcp: TO_A };

/** What a player sends to server A. */
const fromPlayer = (details: Details = {}) => packetOf(PLAIN, details);

/** The same as a server's container must get it. */
function asDelivered(details: Details = {}, server: Server = A): Uint8Array {
  return packetOf(PLAIN, {
    ...details,
    eth: { ...details.eth, dst: server.mac },
    ip: { ...details.ip, dst: server.address },
    tcp: { ...details.tcp, dst: server.containerPort },
  });
}

const LONG = "0123456789".repeat(20);
const CUTS = [40, 120];
const [FIRST, SECOND, LAST] = fragments(ARRIVING, TO_PUBLIC, tcp(TO_A, LONG), CUTS) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

/** The checksum of the whole segment, translated, stands in the first fragment: fragments of the translated whole. */
const DELIVERED = fragments(
  { ...ARRIVING, dst: A.mac },
  { ...TO_PUBLIC, dst: A.address },
  tcp({ ...TO_A, dst: A.containerPort }, LONG),
  CUTS,
) as [Uint8Array, Uint8Array, Uint8Array];

const laterOf = (ip: Partial<Ipv4Fields>) =>
  fragments(ARRIVING, { ...TO_PUBLIC, ...ip }, tcp(TO_A, LONG), CUTS)[1] as Uint8Array;

const firstOf = (details: Partial<TcpFields>, ip: Partial<Ipv4Fields> = {}) =>
  fragments(ARRIVING, { ...TO_PUBLIC, ...ip }, tcp({ ...TO_A, ...details }, LONG), CUTS)[0] as Uint8Array;
const firstFrom = (src: string) => firstOf({}, { src });

// Rule 11. Whatever the segment, only the destination changes.
translates(runner, {
  it: (what) => `${what}, to a server's port, goes to its container`,
  packet: fromPlayer,
  translated: asDelivered,
  counts: into(A),
  receiver: "the container",
  segments: [
    ["a SYN with its options", { tcp: { flags: "S", options: SYN_OPTIONS, ack: 0 }, data: "" }],
    ["a SYN that asks for ECN", { tcp: { flags: "SEC" }, data: "" }],
    ["a packet from the container port itself", { tcp: { src: A.containerPort } }],
    ["a packet from the lowest address and port", { ip: { src: "1.0.0.0" }, tcp: { src: 1 } }],
    ["a packet from the highest address and port", { ip: { src: "223.255.255.255" }, tcp: { src: 65535 } }],
    // The container's own stack judges what is inside TCP: here its data offset, 4 words and then 15.
    ["a segment whose data offset is too small", { tcp: { dataOffset: 4 } }],
    ["a segment whose data offset points behind its end", { tcp: { dataOffset: 15 } }],
  ],
});

table(runner, [
  {
    it: "another server's port goes to that server's container",
    packet: fromPlayer({ tcp: { dst: B.port } }),
    verdict: "redirect",
    out: asDelivered({}, B),
    counts: into(B),
  },
  {
    it: "the same port of two public addresses is two servers",
    given: (maps) => {
      maps.writeServer(B, { forwards: [forwardOf(B, { address: "203.0.113.11", port: A.port, containerPort: 1 })] });
    },
    packet: fromPlayer({ ip: { dst: "203.0.113.11" } }),
    verdict: "redirect",
    out: asDelivered({}, { ...B, containerPort: 1 }),
    counts: into(B),
  },
]);

table(runner, [
  // Rule 8.
  {
    it: "another destination address is the host's business, whatever the port",
    packet: fromPlayer({ ip: { dst: "203.0.113.11" } }),
    verdict: "next",
  },
  {
    it: "a container's own address is no public one",
    packet: fromPlayer({ ip: { dst: A.address }, tcp: { dst: A.containerPort } }),
    verdict: "next",
  },
  { it: "another port is the host's business", packet: fromPlayer({ tcp: { dst: 22 } }), verdict: "next" },
  { it: "a port one lower is another port", packet: fromPlayer({ tcp: { dst: A.port - 1 } }), verdict: "next" },
  {
    it: "the container port is not a server's public port",
    packet: fromPlayer({ tcp: { dst: A.containerPort } }),
    verdict: "next",
  },
  {
    it: "a server's port with its bytes the wrong way round is another port",
    packet: fromPlayer({ tcp: { dst: ((A.port & 0xff) << 8) | (A.port >> 8) } }),
    verdict: "next",
  },
  {
    it: "a packet from a server's port, to another, is the host's business",
    packet: fromPlayer({ tcp: { src: A.port, dst: 40000 } }),
    verdict: "next",
  },
  {
    it: "the port of a server that was removed is the host's again",
    given: (maps) => maps.delete("dp_endpoints", endpointKey(A)),
    packet: fromPlayer(),
    verdict: "next",
  },
  {
    it: "the port of a server whose host peer is gone is the host's, though another interface may have its index",
    given: (maps) => maps.delete("dp_host_peers", A.id),
    packet: fromPlayer(),
    verdict: "next",
  },

  // Rule 1.
  {
    it: "a packet to another machine's MAC, seen in promiscuous mode, is left alone",
    packet: fromPlayer({ eth: { dst: "02:cc:00:00:00:01" } }),
    verdict: "next",
  },
  {
    it: "a broadcast frame with a server's packet in it is left alone",
    packet: fromPlayer({ eth: { dst: "ff:ff:ff:ff:ff:ff" } }),
    verdict: "next",
  },
  {
    it: "a multicast frame with a server's packet in it is left alone",
    packet: fromPlayer({ eth: { dst: "01:00:5e:00:00:01" } }),
    verdict: "next",
  },

  // Rule 2.
  { it: "a VLAN's packet is left for its own interface", packet: fromPlayer(), run: { tag: 100 }, verdict: "next" },
  {
    it: "the highest VLAN is one, whatever its priority",
    packet: fromPlayer(),
    run: { tag: 0xe000 | 4094 },
    verdict: "next",
  },
  {
    it: "a tag that is only a priority makes no VLAN",
    packet: fromPlayer(),
    run: { tag: 0xe000 },
    verdict: "redirect",
    out: asDelivered(),
    counts: into(A),
  },
  {
    it: "a tag inside the frame is not looked behind",
    packet: fromPlayer({ eth: { vlans: [{ tci: 100 }] } }),
    verdict: "next",
  },
  {
    it: "nor a second tag, behind one a device took off",
    packet: fromPlayer({ eth: { vlans: [{ tci: 100 }] } }),
    run: { tag: 0xe000 },
    verdict: "next",
  },
  {
    it: "nor two tags (802.1ad)",
    packet: fromPlayer({ eth: { vlans: [{ tpid: EtherType.qinq, tci: 5 }, { tci: 100 }] } }),
    verdict: "next",
  },

  // Rule 3.
  {
    it: "IPv6 to the same port is the host's business",
    packet: ethernet(ARRIVING, ipv6(tcp(TO_A, "hello"))),
    verdict: "next",
  },
  {
    it: "ARP is the host's business",
    packet: ethernet(
      ARRIVING,
      arp({ senderMac: GATEWAY_MAC, senderAddress: PLAYER.address, targetAddress: PUBLIC_ADDRESS }),
    ),
    verdict: "next",
  },
  {
    it: "an unknown EtherType is the host's business, even with a server's packet behind it",
    packet: fromPlayer({ eth: { type: 0x88b5 } }),
    verdict: "next",
  },
  { it: "an IPv4 header of version 5 is left alone", packet: fromPlayer({ ip: { version: 5 } }), verdict: "next" },
  { it: "an IPv4 header of version 6 is left alone", packet: fromPlayer({ ip: { version: 6 } }), verdict: "next" },
  { it: "a header length below 5 words is left alone", packet: fromPlayer({ ip: { ihl: 4 } }), verdict: "next" },
  { it: "a header length of 0 is left alone", packet: fromPlayer({ ip: { ihl: 0 } }), verdict: "next" },
  {
    it: "a header length beyond the total length is left alone",
    packet: fromPlayer({ ip: { ihl: 15, totalLength: 40 }, data: "x".repeat(60) }),
    verdict: "next",
  },
  {
    it: "a total length beyond the end of the packet is left alone",
    packet: fromPlayer({ ip: { totalLength: 20 + 20 + 6 }, data: "hello" }),
    verdict: "next",
  },
  {
    it: "a total length shorter than the IPv4 header is left alone",
    packet: fromPlayer({ ip: { totalLength: 19 } }),
    verdict: "next",
  },
  {
    it: "a total length of 0 is left alone in an ordinary packet",
    packet: fromPlayer({ ip: { totalLength: 0 } }),
    verdict: "next",
  },

  // Rule 5.
  {
    it: "UDP to a server's port is the host's business",
    packet: ethernet(ARRIVING, ipv4(TO_PUBLIC, udp({ src: PLAYER.port, dst: A.port }, "hello"))),
    verdict: "next",
  },
  {
    it: "a ping to the public address is the host's business",
    packet: ethernet(ARRIVING, ipv4(TO_PUBLIC, icmp({ type: IcmpType.echoRequest }, "ping"))),
    verdict: "next",
  },
  ...([Protocol.sctp, Protocol.gre, Protocol.icmpv6, 0, 255] as const).map((protocol) => ({
    it: `IP protocol ${protocol} is the host's business, though its first bytes are a server's ports`,
    packet: fromPlayer({ ip: { protocol } }),
    verdict: "next" as const,
  })),

  // Rule 9. Whatever the segment: a slot of the table may be a player's, too.
  ...IMPOSSIBLE_SOURCES.flatMap((src) => [
    {
      it: `a SYN from ${src} is left to the host`,
      packet: fromPlayer({ ip: { src }, tcp: { flags: "S" } }),
      verdict: "next" as const,
    },
    {
      it: `a segment from ${src} is left to the host`,
      packet: fromPlayer({ ip: { src }, tcp: { flags: "PA" } }),
      verdict: "next" as const,
    },
    {
      it: `a first fragment from ${src} is left to the host`,
      packet: firstFrom(src),
      verdict: "next" as const,
    },
    {
      it: `a later fragment from ${src} is left to the host`,
      after: [firstFrom(src)],
      packet: laterOf({ src }),
      verdict: "next" as const,
    },
  ]),
  ...["9.255.255.255", "10.0.255.255", "10.3.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255", "1.0.0.0"].map(
    (src) => ({
      it: `a SYN from ${src}, beside such, is a player's`,
      packet: fromPlayer({ ip: { src }, tcp: { flags: "S" } }),
      verdict: "redirect" as const,
      out: asDelivered({ ip: { src }, tcp: { flags: "S" } }),
      counts: into(A),
    }),
  ),

  // Rule 7.
  {
    it: "a total length that ends inside the TCP header is left alone, though the bytes are there",
    packet: fromPlayer({ ip: { totalLength: 20 + 19 } }),
    verdict: "next",
  },
  {
    it: "IP options that leave no room for a TCP header are left alone",
    packet: ethernet(
      ARRIVING,
      ipv4({ ...TO_PUBLIC, options: MAXIMUM_OPTIONS }, raw(Protocol.tcp, Uint8Array.of(0x9c, 0x40, 0x63, 0xe2))),
    ),
    verdict: "next",
  },
]);

test("a packet cut off at any byte before the end of its TCP header is left alone", () => {
  for (const details of [{}, { ip: { options: RECORD_ROUTE } }, { ip: { options: MAXIMUM_OPTIONS } }]) {
    const whole = fromPlayer({ ...details, data: "" });
    for (let length = 14; length < whole.byteLength; length++) {
      expect(runner().run(whole, { cutTo: length })).toEqual({
        verdict: "next",
        packet: whole.subarray(0, length),
        counts: {},
      });
    }
    expect(runner().run(whole, { cutTo: whole.byteLength }).verdict).toBe("redirect");
  }
});

test("a packet that is as short as it says, wherever it ends in the TCP header, is left alone", () => {
  const segment = fromPlayer({ data: "" }).subarray(34);
  for (let length = 0; length < segment.byteLength; length++) {
    const packet = ethernet(ARRIVING, ipv4(TO_PUBLIC, raw(Protocol.tcp, segment.subarray(0, length))));
    expect(runner().run(packet)).toEqual({ verdict: "next", packet, counts: {} });
  }
});

// Rule 6, and the fragments of rules 7, 10 and 11.
table(runner, [
  {
    it: "a first fragment goes to the container, with the checksum of the whole segment",
    packet: FIRST,
    verdict: "redirect",
    out: DELIVERED[0],
    counts: into(A),
  },
  {
    it: "a later fragment follows its first",
    after: [FIRST],
    packet: SECOND,
    verdict: "redirect",
    out: DELIVERED[1],
    counts: into(A),
  },
  {
    it: "so does the last",
    after: [FIRST, SECOND],
    packet: LAST,
    verdict: "redirect",
    out: DELIVERED[2],
    counts: into(A),
  },
  {
    it: "later fragments may overtake each other",
    after: [FIRST, LAST],
    packet: SECOND,
    verdict: "redirect",
    out: DELIVERED[1],
    counts: into(A),
  },
  { it: "a later fragment without a first is the host's business", packet: SECOND, verdict: "next" },
  {
    it: "a later fragment whose bytes look like a server's ports is not taken for a first",
    packet: ethernet(ARRIVING, ipv4({ ...TO_PUBLIC, fragmentOffset: 8 }, tcp(TO_A, "hello"))),
    verdict: "next",
  },
  {
    it: "a later fragment of another datagram (id) is left alone",
    after: [FIRST],
    packet: laterOf({ id: 0x4321 }),
    verdict: "next",
  },
  {
    it: "a later fragment from another player is left alone",
    after: [FIRST],
    packet: laterOf({ src: "198.51.100.8" }),
    verdict: "next",
  },
  {
    it: "a later fragment to another address is left alone",
    after: [FIRST],
    packet: laterOf({ dst: "203.0.113.11" }),
    verdict: "next",
  },
  {
    it: "a later fragment to another public address is left alone, though a server has it",
    given: (maps) =>
      maps.writeServer(B, { forwards: [forwardOf(B, { address: "203.0.113.11", port: A.port, containerPort: 1 })] }),
    after: [FIRST],
    packet: laterOf({ dst: "203.0.113.11" }),
    verdict: "next",
  },
  {
    it: "a later fragment of another protocol is left alone",
    after: [FIRST],
    packet: laterOf({ protocol: Protocol.udp }),
    verdict: "next",
  },
  {
    it: "a later fragment for a server removed meanwhile is left alone",
    given: (maps) => {
      maps.run(FIRST);
      maps.delete("dp_endpoints", endpointKey(A));
    },
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "a later fragment for a server whose interface went meanwhile is left alone",
    given: (maps) => {
      maps.run(FIRST);
      maps.delete("dp_host_peers", A.id);
    },
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "a later fragment of the host's own datagram is left alone, though its id was a server's before",
    after: [FIRST, fragments(ARRIVING, TO_PUBLIC, tcp({ ...TO_A, dst: 22 }, LONG), CUTS)[0] as Uint8Array],
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "a first fragment for another server, of the same id, goes nowhere",
    after: [FIRST],
    packet: firstOf({ dst: B.port }),
    verdict: "next",
  },
  {
    it: "and ends the packet: a later fragment goes to neither",
    after: [FIRST, firstOf({ dst: B.port })],
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "nor does one after the first fragment came again",
    after: [FIRST, firstOf({ dst: B.port }), FIRST],
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "a first fragment for another forward of the same server ends the packet, too",
    given: (maps) => {
      maps.writeServer(A, { forwards: [forwardOf(A), forwardOf(A, { port: 30_000, containerPort: 30_000 })] });
      maps.run(FIRST);
      maps.run(firstOf({ dst: 30_000 }));
    },
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "a first fragment of the host's own, then one for a server: later ones are the host's",
    after: [firstOf({ dst: 22 }), FIRST],
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "a first fragment that comes twice changes nothing",
    after: [FIRST, FIRST],
    packet: SECOND,
    verdict: "redirect",
    out: DELIVERED[1],
    counts: into(A),
  },
  {
    it: "a later fragment does not go to the server that has the port since",
    given: (maps) => {
      maps.run(FIRST);
      maps.writeServer(B, { forwards: [forwardOf(B, { port: A.port })] });
    },
    packet: SECOND,
    verdict: "next",
  },
  {
    it: "an unfragmented packet leaves nothing for later fragments to follow",
    after: [fromPlayer()],
    packet: laterOf({}),
    verdict: "next",
  },
  {
    it: "a first fragment too small for a TCP header is the host's business",
    packet: fragments(ARRIVING, TO_PUBLIC, tcp(TO_A, LONG), [16])[0] as Uint8Array,
    verdict: "next",
  },
  {
    it: "and leaves nothing for later fragments to follow",
    after: [fragments(ARRIVING, TO_PUBLIC, tcp(TO_A, LONG), [16])[0] as Uint8Array],
    packet: fragments(ARRIVING, TO_PUBLIC, tcp(TO_A, LONG), [16])[1] as Uint8Array,
    verdict: "next",
  },
  {
    it: "a first fragment with IP options goes to the container",
    packet: fragments(ARRIVING, { ...TO_PUBLIC, options: RECORD_ROUTE }, tcp(TO_A, LONG), CUTS)[0] as Uint8Array,
    verdict: "redirect",
    out: fragments(
      { ...ARRIVING, dst: A.mac },
      { ...TO_PUBLIC, dst: A.address, options: RECORD_ROUTE },
      tcp({ ...TO_A, dst: A.containerPort }, LONG),
      CUTS,
    )[0] as Uint8Array,
    counts: into(A),
  },
]);

test("the fragments as delivered, put together, are an intact segment", () => {
  const whole = [FIRST, SECOND, LAST].map((packet) => runner().run(packet).packet.subarray(34));
  const packet = ethernet(
    { ...ARRIVING, dst: A.mac },
    ipv4({ ...TO_PUBLIC, dst: A.address }, raw(Protocol.tcp, join(...whole))),
  );
  expect(dissect(packet)).toMatchObject({ tcp: { dst: A.containerPort }, ipIntact: true, tcpIntact: true });
});

describe("after the time that a host keeps fragments", () => {
  const quick = runnerFor("dnat", {
    prepare: (object) => object.setVariable("dp_fragment_ns", u64, 20_000_000n),
  });

  test("an id used again, for another server, follows its newer first fragment", async () => {
    expect(quick().run(FIRST).verdict).toBe("redirect");
    await Bun.sleep(25);
    expect(quick().run(SECOND).verdict).toBe("next");
    expect(quick().run(firstOf({ dst: B.port })).verdict).toBe("redirect");
    expect(quick().run(SECOND).packet.subarray(30, 34).join(".")).toBe(B.address);
  });
});

test("one server's fragments, however many, do not evict another's", () => {
  expect(runner().run(FIRST).verdict).toBe("redirect");
  // More than there is room for: of B, then the host's own.
  for (const dst of [B.port, 22]) {
    for (let id = 0; id < 5000; id++) runner().runUncounted(firstOf({ dst }, { id, src: "198.51.100.99" }));
  }
  expect(runner().entries("dp_fragments").length).toBeLessThan(4000);
  expect(runner().run(SECOND).verdict).toBe("redirect");
}, 60_000);
