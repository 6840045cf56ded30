/** Valid packets, and what can become of them: a few fields, bytes or lengths that are not what they should be. */
import { A, B, HOST_ADDRESSES, HOST_PEER_MAC, PUBLIC_ADDRESS, STRANGER, UPLINK } from "../packet/bench.ts";
import {
  arp,
  ethernet,
  EtherType,
  fragments,
  icmp,
  ip,
  ipv4,
  ipv6,
  join,
  type Layer,
  mac,
  MAXIMUM_OPTIONS,
  raw,
  RECORD_ROUTE,
  SYN_OPTIONS,
  tcp,
  udp,
} from "../packet/frame.ts";
import type { Random } from "./random.ts";

export type ProgramName = "dnat" | "arp" | "snat";

/** One packet at one program's hook. */
export interface Case {
  program: ProgramName;
  ifindex: number;
  frame: Uint8Array;
  /** Bytes that are left of it. */
  cutTo: number | undefined;
  /** A VLAN tag beside the frame. */
  tag: number | undefined;
}

export const PLAYERS = ["198.51.100.7", "198.51.100.8"] as const;
const STRANGERS = ["192.0.2.200", "8.8.8.8"];
const ROUTER = "192.0.2.254";
const ODD_ADDRESSES = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.1.255.255", "10.2.0.77"];
const OWN_ADDRESSES = [A.address, B.address, A.hostAddress, B.hostAddress, ...HOST_ADDRESSES];
const ADDRESSES = [...PLAYERS, ...STRANGERS, ROUTER, ...ODD_ADDRESSES, ...OWN_ADDRESSES];
const PORTS = [A.publicPort, B.publicPort, A.gamePort, 9080, 9053, 9111, 9999, 5000, 80, 53, 40_000, 0, 65_535];
const MACS = [UPLINK.mac, HOST_PEER_MAC, A.mac, B.mac, "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:bb:00:00:00:01"];
const ETHER_TYPES = [...Object.values(EtherType), 0x0004, 0x05dc, 0x8847, 0x88cc];
const FLAGS = ["S", "SA", "A", "PA", "FA", "R", "RA", "", "SF", "SAE", "FPU"];

const ARRIVING = { dst: UPLINK.mac, src: "02:bb:00:00:00:01" };
const leaving = (server: typeof A) => ({ dst: HOST_PEER_MAC, src: server.mac });

const SEGMENTS: Layer[] = FLAGS.flatMap((flags) =>
  [A.publicPort, B.publicPort, 22].map((dst) => tcp({ src: 40_000, dst, flags }, "hello")),
);

/** What `packet` is quoted as by an ICMP error. */
function quote(packet: Layer, length: number): Uint8Array {
  return ethernet(ARRIVING, packet).subarray(14, 14 + length);
}

const ERRORS: [type: number, code: number][] = [
  [3, 4],
  [3, 1],
  [11, 0],
  [12, 0],
  [5, 1],
];
const QUOTED = [28, 36, 37, 38, 40, 60];

const ARRIVALS: Uint8Array[] = [
  ...SEGMENTS.map((segment) => ethernet(ARRIVING, ipv4({ src: PLAYERS[0], dst: PUBLIC_ADDRESS }, segment))),
  ...[RECORD_ROUTE, MAXIMUM_OPTIONS].map((options) =>
    ethernet(
      ARRIVING,
      ipv4({ src: PLAYERS[1], dst: PUBLIC_ADDRESS, options }, tcp({ src: 1, dst: A.publicPort, options: SYN_OPTIONS })),
    ),
  ),
  ...fragments(
    ARRIVING,
    { src: PLAYERS[0], dst: PUBLIC_ADDRESS, id: 7 },
    tcp({ src: 40_000, dst: B.publicPort }, "x".repeat(100)),
    [24, 64],
  ),
  ...ERRORS.flatMap(([type, code]) =>
    QUOTED.map((length) => {
      const about = ipv4(
        { src: PUBLIC_ADDRESS, dst: PLAYERS[0] },
        tcp({ src: A.publicPort, dst: 40_000 }, "x".repeat(20)),
      );
      return ethernet(ARRIVING, ipv4({ src: ROUTER, dst: PUBLIC_ADDRESS }, icmp({ type, code }, quote(about, length))));
    }),
  ),
  ethernet(ARRIVING, ipv4({ src: PLAYERS[0], dst: PUBLIC_ADDRESS }, udp({ src: 1, dst: A.publicPort }, "?"))),
  ethernet(ARRIVING, ipv6(raw(6, new Uint8Array(20)))),
];

const DEPARTURES: Uint8Array[] = [A, B].flatMap((server) => {
  const out = (dst: string, layer: Layer, more: object = {}) =>
    ethernet(leaving(server), ipv4({ src: server.address, dst, ...more }, layer));
  const other = server === A ? B : A;
  return [
    ...FLAGS.map((flags) => out(PLAYERS[0], tcp({ src: server.gamePort, dst: 40_000, flags }, "hi"))),
    ...[...STRANGERS, ...ODD_ADDRESSES, ...OWN_ADDRESSES].map((address) =>
      out(address, tcp({ src: server.gamePort, dst: 40_000, flags: "PA" }, "hi")),
    ),
    out(PLAYERS[1], tcp({ src: server.gamePort, dst: 40_000, options: SYN_OPTIONS }), { options: RECORD_ROUTE }),
    ...[9080, 9053, 9111, 9999, 22].map((dst) => out(server.hostAddress, tcp({ src: 5000, dst, flags: "S" }))),
    ...[9053, 9080, 53].map((dst) => out(server.hostAddress, udp({ src: 5000, dst }, "?"))),
    ...FLAGS.map((flags) => out(other.address, tcp({ src: 40_000, dst: other.gamePort, flags }))),
    ...FLAGS.map((flags) => out(other.address, tcp({ src: server.gamePort, dst: 40_000, flags }))),
    out(server.hostAddress, icmp({ type: 8 }, "ping")),
    out(server.hostAddress, icmp({ type: 8 }, "ping"), { options: RECORD_ROUTE }),
    ...ERRORS.flatMap(([type, code]) =>
      QUOTED.map((length) => {
        const about = ipv4(
          { src: PLAYERS[0], dst: server.address },
          tcp({ src: 40_000, dst: server.gamePort }, "hello"),
        );
        return out(PLAYERS[0], icmp({ type, code }, quote(about, length)));
      }),
    ),
    out(PLAYERS[0], raw(47, "gre")),
    ethernet(leaving(server), ipv6(raw(58, new Uint8Array(24)))),
    question(server),
  ];
});

/** Who has the gateway's address? */
function question(server: typeof A): Uint8Array {
  const { mac: senderMac, address: senderAddress, hostAddress: targetAddress } = server;
  return ethernet({ dst: "ff:ff:ff:ff:ff:ff", src: senderMac }, arp({ senderMac, senderAddress, targetAddress }));
}

/** Valid, or of a kind that is refused for one reason alone. */
const SEEDS: Readonly<Record<ProgramName, readonly Uint8Array[]>> = {
  dnat: ARRIVALS,
  arp: [...DEPARTURES.slice(0, 10), ...[A, B].flatMap((server) => Array<Uint8Array>(10).fill(question(server)))],
  snat: DEPARTURES,
};

/** Where fields of two bytes are: EtherType, the IPv4 header's, ports, ICMP, and the same of what is quoted. */
const WORDS = [12, 16, 18, 20, 22, 34, 36, 46, 50, 54, 58, 60, 62, 64, 66, 78];
const ADDRESSES_AT = [26, 30, 28, 38, 54, 58];
const WORD_VALUES = [0, 1, 8, 19, 20, 27, 28, 40, 48, 0x2000, 0x4000, 0x3fff, 0x8000, 0xffff];

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

function put(bytes: Uint8Array, at: number, value: Uint8Array | readonly number[]): Uint8Array {
  if (at + value.length <= bytes.byteLength) bytes.set(value, at);
  return bytes;
}

const word = (value: number) => [value >>> 8, value & 0xff];

const MUTATIONS: Mutation[] = [
  (bytes, random) => put(bytes, random.below(Math.min(bytes.byteLength, 110)), [random.below(256)]),
  (bytes, random) => {
    const at = random.below(Math.min(bytes.byteLength, 110));
    return put(bytes, at, [(bytes[at] as number) ^ (1 << random.below(8))]);
  },
  (bytes, random) => put(bytes, random.one(WORDS), word(random.one(WORD_VALUES))),
  (bytes, random) => put(bytes, random.one(WORDS), word(random.one(PORTS))),
  (bytes, random) => put(bytes, random.one(WORDS), word(random.below(65_536))),
  (bytes, random) => put(bytes, 12, word(random.one(ETHER_TYPES))),
  (bytes, random) => put(bytes, random.one(ADDRESSES_AT), ip(random.one(ADDRESSES))),
  (bytes, random) => put(bytes, random.one([0, 6, 22, 32]), mac(random.one(MACS))),
  (bytes, random) => put(bytes, 23, [random.one([1, 2, 4, 6, 17, 41, 47, 58, 132])]),
  (bytes, random) => put(bytes, random.one([14, 42]), [0x40 | random.below(16)]),
  // Another length, with the header telling it or not.
  (bytes, random) => {
    const cut = bytes.subarray(0, 14 + random.below(bytes.byteLength - 13));
    return random.once(2) ? put(cut, 16, word(cut.byteLength - 14)) : cut;
  },
  (bytes, random) => {
    const longer = join(
      bytes,
      Array.from({ length: random.below(40) }, () => random.below(256)),
    );
    return random.once(2) ? put(longer, 16, word(longer.byteLength - 14)) : longer;
  },
  // IPv4 options.
  (bytes, random) => {
    const words = random.below(11);
    const options = Array.from({ length: words * 4 }, () => random.one([0, 1, 7, 131, 148, random.below(256)]));
    const longer = join(bytes.subarray(0, 34), options, bytes.subarray(34));
    put(longer, 14, [0x45 + words]);
    return put(longer, 16, word(longer.byteLength - 14));
  },
];

/** What a test run takes at least, whatever the EtherType says: cut to size inside the kernel. */
const SHORTEST = 54;

export function makeCase(random: Random): Case {
  const program = random.one(["dnat", "snat", "dnat", "snat", "arp"] as const);
  let frame: Uint8Array = random.one(SEEDS[program]).slice();
  // Head of one, tail of another.
  if (random.once(20)) {
    const at = 14 + random.below(40);
    frame = join(frame.subarray(0, at), random.one(SEEDS[program]).subarray(at));
  }
  for (let count = random.below(4); count > 0; count--) frame = random.one(MUTATIONS)(frame, random);
  const { byteLength } = frame;
  const short = byteLength < SHORTEST;
  return {
    program,
    ifindex: ifindexOf(program, frame, random),
    frame: short ? join(frame, new Uint8Array(SHORTEST - byteLength)) : frame,
    cutTo: short ? byteLength : undefined,
    tag: random.once(40) ? random.one([0, 1, 100, 0xe000, 0xffff]) : undefined,
  };
}

/** Mostly the host peer of the container that it says it is from. */
function ifindexOf(program: ProgramName, frame: Uint8Array, random: Random): number {
  if (program === "dnat") return UPLINK.index;
  if (random.once(50)) return STRANGER.index;
  const own = frame[11] === mac(B.mac)[5] ? B : A;
  return random.once(30) ? (own === A ? B : A).hostPeer : own.hostPeer;
}
