/** Valid packets, or almost: each looks into one program, whatever came before it. */
import { DpFamily } from "@dp/bpf";
import {
  arp,
  ethernet,
  fragments,
  icmp,
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
} from "@dp/test-kit/frame.ts";
import { A, B, HOST_PEER_MAC, PUBLIC_ADDRESS, type Server, STRANGER, UPLINK } from "@dp/test-kit/two-servers.ts";
import { ODD_ADDRESSES, OWN_ADDRESSES, PLAYERS, ROUTER, STRANGERS } from "./addresses.ts";
import { anyTag, type Fitted, fitted, mutated, noise } from "./mutate.ts";
import type { Random } from "./random.ts";
import { type FuzzServer, SECOND_ADDRESS, SERVERS } from "./world.ts";

export type ProgramName = "dnat" | "arp" | "snat";

/** One packet at one program's hook. */
export interface Case extends Fitted {
  program: ProgramName;
  ifindex: number;
  /** A VLAN tag beside the frame. */
  tag: number | undefined;
  /** Whether the device has summed up the bytes, where the kernel can: then it checks what the program changes. */
  checksumComplete: boolean;
}

const FLAGS = ["S", "SA", "A", "PA", "FA", "R", "RA", "", "SF", "SAE", "FPU"];

const ARRIVING = { dst: UPLINK.mac, src: "02:bb:00:00:00:01" };
const leaving = (server: Server) => ({ dst: HOST_PEER_MAC, src: server.mac });

/** The forwards at the beginning and the end of the list: of 32, the others are as they are. */
const someForwards = ({ forwards }: FuzzServer) => [...forwards.slice(0, 5), ...forwards.slice(5).slice(-2)];

/** Public endpoints: the first and the last of a forward over IPv4, and some that are none. */
const ENDPOINTS = [
  ...SERVERS.flatMap(someForwards)
    .filter(({ family }) => family === DpFamily.ipv4)
    .flatMap(({ address, port, count }) =>
      [port, port + count - 1, port + count].map((each) => ({ address, port: each })),
    ),
  { address: PUBLIC_ADDRESS, port: 22 },
  { address: SECOND_ADDRESS, port: B.port },
];

/** Where a server listens, and beside it. */
const containerPorts = (server: FuzzServer) =>
  someForwards(server).flatMap(({ containerPort, count }) => [
    containerPort,
    containerPort + count - 1,
    containerPort + count,
  ]);

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

/** A container's initial sequence number. */
const NUMBER = 0x1234_5678;

const ARRIVALS: Uint8Array[] = [
  ...FLAGS.flatMap((flags) =>
    [A.port, B.port, 22].map((dst) =>
      ethernet(ARRIVING, ipv4({ src: PLAYERS[0], dst: PUBLIC_ADDRESS }, tcp({ src: 40_000, dst, flags }, "hello"))),
    ),
  ),
  ...ENDPOINTS.map(({ address, port }) =>
    ethernet(ARRIVING, ipv4({ src: PLAYERS[0], dst: address }, tcp({ src: 40_000, dst: port, flags: "PA" }, "hello"))),
  ),
  ...ENDPOINTS.map(({ address, port }) => {
    const about = ipv4({ src: address, dst: PLAYERS[0] }, tcp({ src: port, dst: 40_000 }));
    return ethernet(ARRIVING, ipv4({ src: ROUTER, dst: address }, icmp({ type: 3, code: 4 }, quote(about, 40))));
  }),
  ...[RECORD_ROUTE, MAXIMUM_OPTIONS].map((options) =>
    ethernet(
      ARRIVING,
      ipv4({ src: PLAYERS[1], dst: PUBLIC_ADDRESS, options }, tcp({ src: 1, dst: A.port, options: SYN_OPTIONS })),
    ),
  ),
  ...fragments(
    ARRIVING,
    { src: PLAYERS[0], dst: PUBLIC_ADDRESS, id: 7 },
    tcp({ src: 40_000, dst: B.port }, "x".repeat(100)),
    [24, 64],
  ),
  ...ERRORS.flatMap(([type, code]) =>
    QUOTED.map((length) => {
      const about = ipv4({ src: PUBLIC_ADDRESS, dst: PLAYERS[0] }, tcp({ src: A.port, dst: 40_000 }, "x".repeat(20)));
      return ethernet(ARRIVING, ipv4({ src: ROUTER, dst: PUBLIC_ADDRESS }, icmp({ type, code }, quote(about, length))));
    }),
  ),
  // Handshakes of addresses that are no players yet, and what looks like it.
  ...STRANGERS.flatMap((src) =>
    ["S", "S", "A", "A", "PA", "R", "FA", "SA"].flatMap((flags) =>
      [A, B].map(({ port: dst }) =>
        ethernet(ARRIVING, ipv4({ src, dst: PUBLIC_ADDRESS }, tcp({ src: 40_000, dst, flags, ack: NUMBER + 1 }))),
      ),
    ),
  ),
  ...[...ODD_ADDRESSES, ...OWN_ADDRESSES].map((src) =>
    ethernet(ARRIVING, ipv4({ src, dst: PUBLIC_ADDRESS }, tcp({ src: 40_000, dst: A.port, flags: "S" }))),
  ),
  ethernet(ARRIVING, ipv4({ src: PLAYERS[0], dst: PUBLIC_ADDRESS }, udp({ src: 1, dst: A.port }, "?"))),
  ethernet(ARRIVING, ipv6(raw(6, new Uint8Array(20)))),
];

const DEPARTURES: Uint8Array[] = SERVERS.flatMap((server) => {
  const out = (dst: string, layer: Layer, more: object = {}) =>
    ethernet(leaving(server), ipv4({ src: server.address, dst, ...more }, layer));
  const other = SERVERS.find((each) => each !== server) as FuzzServer;
  return [
    ...FLAGS.map((flags) => out(PLAYERS[0], tcp({ src: server.containerPort, dst: 40_000, flags }, "hi"))),
    ...[...STRANGERS, ...ODD_ADDRESSES, ...OWN_ADDRESSES].map((address) =>
      out(address, tcp({ src: server.containerPort, dst: 40_000, flags: "PA" }, "hi")),
    ),
    ...STRANGERS.flatMap((dst) =>
      ["SA", "SA", "SA", "R", "RA", "A"].map((flags) =>
        out(dst, tcp({ src: server.containerPort, dst: 40_000, flags, seq: NUMBER })),
      ),
    ),
    out(PLAYERS[1], tcp({ src: server.containerPort, dst: 40_000, options: SYN_OPTIONS }), { options: RECORD_ROUTE }),
    ...[9080, 9053, 9111, 9999, 22].map((dst) => out(server.gateway, tcp({ src: 5000, dst, flags: "S" }))),
    out(server.gateway, tcp({ src: 5001, dst: 9080, flags: "S" })),
    ...[9053, 9080, 53].map((dst) => out(server.gateway, udp({ src: 5000, dst }, "?"))),
    ...FLAGS.map((flags) => out(other.address, tcp({ src: 40_000, dst: other.containerPort, flags }))),
    ...FLAGS.map((flags) => out(other.address, tcp({ src: server.containerPort, dst: 40_000, flags }))),
    ...containerPorts(server).flatMap((src) => [
      out(PLAYERS[0], tcp({ src, dst: 40_000, flags: "PA" }, "hi")),
      out(other.address, tcp({ src, dst: 40_000, flags: "SA" })),
    ]),
    ...containerPorts(other).map((dst) => out(other.address, tcp({ src: 40_000, dst, flags: "S" }))),
    ...containerPorts(server).map((dst) => {
      const about = ipv4({ src: PLAYERS[0], dst: server.address }, tcp({ src: 40_000, dst }));
      return out(PLAYERS[0], icmp({ type: 3, code: 3 }, quote(about, 40)));
    }),
    out(server.gateway, icmp({ type: 8 }, "ping")),
    out(server.gateway, icmp({ type: 8 }, "ping"), { options: RECORD_ROUTE }),
    ...ERRORS.flatMap(([type, code]) =>
      QUOTED.map((length) => {
        const about = ipv4(
          { src: PLAYERS[0], dst: server.address },
          tcp({ src: 40_000, dst: server.containerPort }, "hello"),
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
function question(server: Server): Uint8Array {
  const { mac: senderMac, address: senderAddress, gateway: targetAddress } = server;
  return ethernet({ dst: "ff:ff:ff:ff:ff:ff", src: senderMac }, arp({ senderMac, senderAddress, targetAddress }));
}

/** Valid, or of a kind that is refused for one reason alone. */
const SEEDS: Readonly<Record<ProgramName, readonly Uint8Array[]>> = {
  dnat: ARRIVALS,
  arp: [...DEPARTURES.slice(0, 10), ...SERVERS.flatMap((server) => Array<Uint8Array>(10).fill(question(server)))],
  snat: DEPARTURES,
};

export function makeCase(random: Random): Case {
  const program = random.one(["dnat", "snat", "dnat", "snat", "arp"] as const);
  let frame: Uint8Array = random.one(SEEDS[program]).slice();
  // Head of one, tail of another.
  if (random.once(20)) {
    const at = 14 + random.below(40);
    frame = join(frame.subarray(0, at), random.one(SEEDS[program]).subarray(at));
  }
  frame = random.once(50) ? noise(64 + random.below(192), random) : mutated(frame, random);
  const ifindex = ifindexOf(program, frame, random);
  const tag = anyTag(random);
  const { cutTo, ...fit } = fitted(frame);
  // The sum is not kept when the test cuts or tags the packet in the kernel, nor by dp_arp: ARP has no checksum.
  const checksumComplete = random.once(3) && program !== "arp" && cutTo === undefined && tag === undefined;
  return { program, ifindex, ...fit, cutTo, tag, checksumComplete };
}

/** Mostly the host peer of the container that it says it is from. */
function ifindexOf(program: ProgramName, frame: Uint8Array, random: Random): number {
  if (program === "dnat") return UPLINK.index;
  if (random.once(50)) return STRANGER.index;
  const own = frame[11] === mac(B.mac)[5] ? B : A;
  return random.once(30) ? (own === A ? B : A).hostPeer : own.hostPeer;
}
