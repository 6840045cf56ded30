import type { Offload } from "../../raw/packet-socket.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { fromGamePort, open, reply } from "../frame.ts";
import { GAME_PORT, type Ground } from "../world.ts";

/** Of a frame without IP options: where the TCP header begins, and where in it the checksum stands. */
const TCP_START = 34;
const TCP_CHECKSUM = 16;

const RIGHT: Offload = { checksumStart: TCP_START, checksumOffset: TCP_CHECKSUM };

/** What two bytes would be written over. Of the IPv4 header nothing can be: packet sockets refuse it (EINVAL). */
const WRONG: Readonly<Record<string, Offload>> = {
  "the source port": { checksumStart: TCP_START, checksumOffset: 0 },
  "the sequence number": { checksumStart: TCP_START, checksumOffset: 4 },
  "the TCP flags": { checksumStart: TCP_START, checksumOffset: 12 },
  "the data": { checksumStart: TCP_START + 20, checksumOffset: 0 },
};

const to = (name: string, offload: Offload, frame: (ground: Ground, mark: string) => Uint8Array) => ({
  name,
  frames: (ground: Ground, mark: string) => [{ frame: frame(ground, mark), offload }],
});

/** Every segment of it has the mark. */
const long = (mark: string) => mark.repeat(400);

/** What is refused of the segments of 64,000 bytes, for the MTU of 1500 or their number. */
const SEGMENT_SIZES: Readonly<Record<string, number>> = {
  "one byte more than the MTU": 1461,
  "2,000 bytes": 2000,
  "9,800 bytes": 9800,
  "60,000 bytes": 60_000,
  "496 bytes, of which there would be 130": 496,
  "one byte": 1,
};

const toWhom = (name: string, dst: (ground: Ground) => string, port?: number): Attempt[] =>
  Object.entries(SEGMENT_SIZES).map(([size, segmentSize]) => ({
    ...to(`64,000 bytes ${name}, to be cut into segments of ${size}`, { ...RIGHT, segmentSize }, (ground, mark) =>
      fromGamePort(
        ground,
        mark.repeat(8000),
        { flags: "PA", ...(port === undefined ? {} : { dst: port }) },
        { dst: dst(ground) },
      ),
    ),
    drops: { segments: 1 },
  }));

export const offloads: Topic = {
  title: "Work left to the interface",
  attempts: [
    {
      ...to("a checksum that is left to the interface, in a reply to a player", RIGHT, reply),
      reaches: ["uplink"],
      because: "a reply",
    },
    ...Object.entries(WRONG).map(([where, offload]): Attempt => ({
      ...to(`a checksum that would be written over ${where}`, offload, reply),
      drops: { malformed: 1 },
    })),
    ...Object.entries(WRONG).map(([where, offload]): Attempt => ({
      ...to(`a checksum over ${where}, to a host on the internet`, offload, (ground, mark) =>
        reply(ground, mark, { dst: "192.0.2.1" }),
      ),
      drops: { notAPlayer: 1 },
    })),
    {
      ...to("a checksum over the flags of a SYN", { checksumStart: TCP_START, checksumOffset: 12 }, (ground, mark) =>
        fromGamePort(ground, mark, { flags: "S" }),
      ),
      drops: { forwardSyn: 1 },
    },
    {
      ...to(
        "a checksum over the port of a connection to the gateway",
        { checksumStart: TCP_START, checksumOffset: 2 },
        (ground, mark) => open(ground, mark, ground.gateway, 22),
      ),
      drops: { tcp: 1 },
    },
    {
      ...to(
        "a checksum over the port of a connection to a friend's container port",
        { checksumStart: TCP_START, checksumOffset: 2 },
        (ground, mark) => open(ground, mark, ground.friend, GAME_PORT),
      ),
      reaches: ["containers"],
      because: "nothing writes it any more: the friend's interface receives it as it is",
    },
    {
      ...to("4000 bytes to a player, to be cut into segments", { ...RIGHT, segmentSize: 500 }, (ground, mark) =>
        reply(ground, long(mark)),
      ),
      reaches: ["uplink"],
      because: "a reply; every segment leaves under the public address and port",
    },
    {
      ...to(
        "4000 bytes to a host on the internet, to be cut into segments",
        { ...RIGHT, segmentSize: 500 },
        (ground, mark) => reply(ground, long(mark), { dst: "192.0.2.1" }),
      ),
      drops: { notAPlayer: 1 },
    },
    ...toWhom("to a player", ({ player }) => player),
    ...toWhom("to a server of its group", ({ friend }) => friend, GAME_PORT),
    {
      ...to("segments of a SYN", { ...RIGHT, segmentSize: 500 }, (ground, mark) =>
        fromGamePort(ground, long(mark), { flags: "S" }),
      ),
      drops: { forwardSyn: 1 },
    },
    {
      ...to("segments of a packet without total length", { ...RIGHT, segmentSize: 500 }, (ground, mark) =>
        reply(ground, long(mark), { dst: "192.0.2.1", totalLength: 0 }),
      ),
      drops: { notAPlayer: 1 },
    },
  ],
};
