import { EtherType, ethernet, ipv6, type Layer, raw, tcp, udp } from "@dp/test-kit/frame.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { GAME_PORT } from "../world.ts";

const ICMPV6 = 58;
/** Type, code, a checksum that is never looked at, and what a message has next. */
const message = (type: number) => (mark: string) => raw(ICMPV6, `${String.fromCharCode(type)}\0\0\0\0\0\0\0${mark}`);
/** An extension header of 8 bytes before a TCP segment. */
const extension = (type: number) => (mark: string) => raw(type, `\u0006\0\0\0\0\0\0\0${mark}`);

const PAYLOADS: Readonly<Record<string, (mark: string) => Layer>> = {
  "a connection": (mark) => tcp({ src: 40_000, dst: 80, flags: "S" }, mark),
  "data from the container port": (mark) => tcp({ src: GAME_PORT, dst: 40_000, flags: "PA" }, mark),
  "a DNS query": (mark) => udp({ src: 40_000, dst: 53 }, mark),
  "DHCPv6 solicitation": (mark) => udp({ src: 546, dst: 547 }, mark),
  mDNS: (mark) => udp({ src: 5353, dst: 5353 }, mark),
  "a ping": message(128),
  "router solicitation": message(133),
  "router advertisement": message(134),
  "neighbour solicitation": message(135),
  "neighbour advertisement": message(136),
  redirect: message(137),
  "MLD report": message(131),
  "MLDv2 report": message(143),
  "packet too big": message(2),
  "hop-by-hop options": extension(0),
  "a routing header": extension(43),
  "a fragment header": extension(44),
  ESP: extension(50),
  AH: extension(51),
  "destination options": extension(60),
  mobility: extension(135),
  "no next header": (mark) => raw(59, mark),
  "IPv4 in IPv6": extension(4),
  SCTP: extension(132),
};

const MULTICAST = { dst: "33:33:00:00:00:01" };

export const ipv6Packets: Topic = {
  title: "IPv6",
  attempts: [
    ...Object.entries(PAYLOADS).map(([name, payload]): Attempt => ({
      name: `IPv6: ${name}`,
      // To one and to many: one host's kernel takes both for its own.
      frames: ({ outer }, mark) =>
        [outer, { ...outer, ...MULTICAST }].map((addresses) => ethernet(addresses, ipv6(payload(mark)))),
      drops: { ipv6: 2 },
    })),
    {
      name: "IPv4 under the EtherType of IPv6",
      frames: ({ outer }, mark) => [ethernet(outer, raw(EtherType.ipv6, `E\0\0${mark}`))],
      drops: { ipv6: 1 },
    },
  ],
};
