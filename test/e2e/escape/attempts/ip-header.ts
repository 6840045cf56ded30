import { fragments, icmp, type Ipv4Fields, RECORD_ROUTE, tcp, udp } from "@dp/test-kit/frame.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { datagram, fromGamePort, ip, type Inner, open, ping, reply } from "../frame.ts";
import { GAME_PORT, type Ground } from "../world.ts";

/** RFC 791, 2113: type, length, pointer, data; filled up with ends of the list. */
const route = (type: number) => Uint8Array.of(type, 7, 4, 192, 0, 2, 1, 0);

const OPTIONS: Readonly<Record<string, Uint8Array>> = {
  "a loose source route": route(131),
  "a strict source route": route(137),
  "record route": RECORD_ROUTE,
  timestamps: Uint8Array.of(68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  "router alert": Uint8Array.of(148, 4, 0, 0),
  "a security label": Uint8Array.of(130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  "no-operations": new Uint8Array(40).fill(1),
  "an option longer than the header": Uint8Array.of(7, 255, 4, 0),
  "an option of length 0": Uint8Array.of(131, 0, 4, 0),
};

const options: Attempt[] = Object.entries(OPTIONS).flatMap(([name, bytes]) => [
  {
    name: `${name}, in a reply to a player`,
    frames: (ground: Ground, mark: string) => [reply(ground, mark, { options: bytes })],
    reaches: ["uplink"] as const,
    because: "carried as it is, under the public address",
  },
  {
    name: `${name}, in a ping to the gateway`,
    frames: (ground: Ground, mark: string) => [ping(ground, mark, ground.gateway, { options: bytes })],
    drops: { ipOptions: 1 },
  },
  {
    name: `${name}, in a connection to the internet`,
    frames: (ground: Ground, mark: string) => [open(ground, mark, "192.0.2.1", 80, {}, { options: bytes })],
    drops: { ipOptions: 1 },
  },
]);

export const ipOptions: Topic = {
  title: "IP options",
  attempts: [
    ...options,
    {
      name: "a loose source route, in a DNS query",
      frames: (ground, mark) => [datagram(ground, mark, "192.0.2.53", 53, { options: route(131) })],
      drops: { ipOptions: 1 },
    },
    {
      name: "a loose source route, from the container port to the host",
      frames: (ground, mark) => [reply(ground, mark, { dst: ground.host, options: route(131) })],
      drops: { notAPlayer: 1 },
    },
    {
      name: "a loose source route, from the container port to a host on the internet",
      frames: (ground, mark) => [reply(ground, mark, { dst: "192.0.2.1", options: route(131) })],
      drops: { notAPlayer: 1 },
    },
    {
      name: "a loose source route, to the container port of a server of its group",
      frames: (ground, mark) => [open(ground, mark, ground.friend, GAME_PORT, {}, { options: route(131) })],
      reaches: ["containers"],
      because: "carried as it is, to whom it may reach anyway",
    },
  ],
};

const DATA = { src: GAME_PORT, dst: 40_000, flags: "PA" } as const;

const cut = (fields: (ground: Ground) => Inner, layer: (mark: string) => ReturnType<typeof tcp>, cuts: number[]) =>
  ((ground, mark) =>
    fragments(
      { ...ground.outer },
      { src: ground.self, dst: ground.player, ...fields(ground) } as Ipv4Fields,
      layer(mark),
      cuts,
    )) satisfies Attempt["frames"];

/** So that every fragment of it has the mark. */
const long = (mark: string) => mark.repeat(16);

export const ipFragments: Topic = {
  title: "Fragments",
  attempts: [
    {
      name: "a reply to a player in two fragments",
      frames: cut(
        () => ({}),
        (mark) => tcp(DATA, long(mark)),
        [64],
      ),
      drops: { fragment: 2 },
    },
    {
      name: "a reply to a player in eight fragments",
      frames: cut(
        () => ({}),
        (mark) => tcp(DATA, long(mark)),
        [24, 40, 56, 72, 88, 104, 120],
      ),
      drops: { fragment: 8 },
    },
    {
      name: "a first fragment alone",
      frames: (ground, mark) => [reply(ground, mark, { moreFragments: true })],
      drops: { fragment: 1 },
    },
    {
      name: "a first fragment of 8 bytes: no TCP flags in it",
      frames: cut(
        () => ({}),
        (mark) => tcp({ ...DATA, flags: "S" }, long(mark)),
        [8],
      ),
      drops: { fragment: 2 },
    },
    {
      name: "a later fragment alone",
      frames: (ground, mark) => [ip(ground, { fragmentOffset: 1480 }, tcp(DATA, mark))],
      drops: { fragment: 1 },
    },
    {
      name: "a fragment at offset 8, over the TCP flags",
      frames: (ground, mark) => [
        reply(ground, mark, { moreFragments: true }),
        ip(ground, { fragmentOffset: 8 }, tcp({ ...DATA, flags: "S" }, mark)),
      ],
      drops: { fragment: 2 },
    },
    {
      name: "two fragments that overlap",
      frames: (ground, mark) => [
        reply(ground, long(mark), { moreFragments: true }),
        ip(ground, { fragmentOffset: 64 }, tcp(DATA, long(mark))),
      ],
      drops: { fragment: 2 },
    },
    {
      name: "the last possible fragment (the ping of death)",
      frames: (ground, mark) => [ip(ground, { dst: ground.gateway, fragmentOffset: 65_528 }, icmp({ type: 8 }, mark))],
      drops: { fragment: 1 },
    },
    {
      name: "a connection to the host's port 22 in two fragments",
      frames: cut(
        ({ gateway }) => ({ dst: gateway }),
        (mark) => tcp({ src: 40_000, dst: 22, flags: "S" }, long(mark)),
        [24],
      ),
      drops: { fragment: 2 },
    },
    {
      name: "a DNS query in two fragments",
      frames: cut(
        () => ({ dst: "192.0.2.53" }),
        (mark) => udp({ src: 40_000, dst: 53 }, long(mark)),
        [64],
      ),
      drops: { fragment: 2 },
    },
    {
      name: "a ping to the gateway in two fragments",
      frames: cut(
        ({ gateway }) => ({ dst: gateway }),
        (mark) => icmp({ type: 8 }, long(mark)),
        [64],
      ),
      drops: { fragment: 2 },
    },
    {
      name: "a fragment to a friend's container port",
      frames: (ground, mark) => [open(ground, mark, ground.friend, GAME_PORT, {}, { moreFragments: true })],
      drops: { fragment: 1 },
    },
    {
      name: "fragment and don't fragment at once",
      frames: (ground, mark) => [reply(ground, mark, { moreFragments: true, dontFragment: true })],
      drops: { fragment: 1 },
    },
  ],
};

const cutTo = (frame: Uint8Array, length: number, mark: string) =>
  // What is cut off is told by what follows the packet: a mark that belongs to none of its headers.
  Uint8Array.from([...frame.subarray(0, length), ...new TextEncoder().encode(mark)]);

export const malformed: Topic = {
  title: "Malformed IPv4",
  attempts: [
    {
      name: "version 5",
      frames: (ground, mark) => [reply(ground, mark, { version: 5 })],
      drops: { malformed: 1 },
    },
    {
      name: "version 6 under the EtherType of IPv4",
      frames: (ground, mark) => [reply(ground, mark, { version: 6 })],
      drops: { malformed: 1 },
    },
    {
      name: "a header of 16 bytes",
      frames: (ground, mark) => [reply(ground, mark, { ihl: 4 })],
      drops: { malformed: 1 },
    },
    {
      name: "a header without length",
      frames: (ground, mark) => [reply(ground, mark, { ihl: 0 })],
      drops: { malformed: 1 },
    },
    {
      name: "a header that is longer than the packet",
      frames: (ground, mark) => [reply(ground, mark, { ihl: 15 })],
      drops: { malformed: 1 },
    },
    {
      name: "a packet that is longer than the frame",
      frames: (ground, mark) => [reply(ground, mark, { totalLength: 1400 })],
      drops: { malformed: 1 },
    },
    {
      name: "a total length of 0",
      frames: (ground, mark) => [reply(ground, mark, { totalLength: 0 })],
      drops: { malformed: 1 },
    },
    {
      name: "a packet that ends in its own header",
      frames: (ground, mark) => [reply(ground, mark, { totalLength: 19 })],
      drops: { malformed: 1 },
    },
    {
      name: "a packet that ends in its TCP header",
      frames: (ground, mark) => [reply(ground, mark, { totalLength: 39 })],
      drops: { truncated: 1 },
    },
    {
      name: "a packet that ends in its UDP header",
      frames: (ground, mark) => [datagram(ground, mark, ground.gateway, 9053, { totalLength: 27 })],
      drops: { truncated: 1 },
    },
    {
      name: "a packet that ends in its ICMP header",
      frames: (ground, mark) => [ping(ground, mark, ground.gateway, { totalLength: 27 })],
      drops: { truncated: 1 },
    },
    {
      name: "a frame that ends in the IPv4 header",
      frames: (ground, mark) => [cutTo(reply(ground, ""), 14, mark)],
      drops: { truncated: 1 },
    },
    {
      name: "bytes after the packet's end",
      frames: (ground, mark) => [cutTo(reply(ground, ""), 54, mark)],
      reaches: ["uplink"],
      because: "a reply to a player; Ethernet pads frames too",
    },
    {
      name: "a wrong IPv4 checksum, in a reply to a player",
      frames: (ground, mark) => [reply(ground, mark, { checksum: 0xdead })],
      reaches: ["uplink"],
      because: "it stays as wrong as it was, and the next router drops it",
    },
    {
      name: "a TCP header that says it has no length, in a reply to a player",
      frames: (ground, mark) => [fromGamePort(ground, mark, { flags: "PA", dataOffset: 0 })],
      reaches: ["uplink"],
      because: "a segment that the player's kernel drops",
    },
  ],
};

export const timeToLive: Topic = {
  title: "Time to live",
  attempts: [
    ...[0, 1, 2, 255].map((ttl) => ({
      name: `TTL ${ttl}, in a reply to a player`,
      frames: (ground: Ground, mark: string) => [reply(ground, mark, { ttl })],
      reaches: ["uplink"] as const,
      because: "it says nothing of who may send to whom; what a router answers goes to the host",
    })),
    ...[0, 1, 255].flatMap((ttl) => [
      {
        name: `TTL ${ttl}, from the container port to a host on the internet`,
        frames: (ground: Ground, mark: string) => [reply(ground, mark, { ttl, dst: "192.0.2.1" })],
        drops: { notAPlayer: 1 },
      },
      {
        name: `TTL ${ttl}, in a connection to port 22 of the gateway`,
        frames: (ground: Ground, mark: string) => [open(ground, mark, ground.gateway, 22, {}, { ttl })],
        drops: { tcp: 1 },
      },
      {
        name: `TTL ${ttl}, in a traceroute by UDP`,
        frames: (ground: Ground, mark: string) => [datagram(ground, mark, "192.0.2.1", 33_434, { ttl })],
        drops: { udp: 1 },
      },
    ]),
  ],
};
