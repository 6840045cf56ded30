/** What can become of a valid packet: a few fields, bytes or lengths that are not what they should be. */
import { EtherType, ip, join, mac } from "@dp/test-kit/frame.ts";
import { A, B, HOST_PEER_MAC, UPLINK } from "@dp/test-kit/two-servers.ts";
import { ADDRESSES } from "./addresses.ts";
import type { Random } from "./random.ts";

const FORWARDED = [30_000, 30_003, 30_004, 20_000, 20_003, 20_004, 19_999, 25_566, 25_599, 25_590, 31_000, 21_000];
const PORTS = [A.port, B.port, A.containerPort, 9080, 9053, 9111, 9999, 5000, 80, 53, 40_000, 0, 65_535, ...FORWARDED];
const MACS = [UPLINK.mac, HOST_PEER_MAC, A.mac, B.mac, "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:bb:00:00:00:01"];
const ETHER_TYPES = [...Object.values(EtherType), 0x0004, 0x05dc, 0x8847, 0x88cc];

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
  (bytes, random) => put(bytes, random.one(ADDRESSES_AT), noise(4, random)),
  (bytes, random) => put(bytes, random.one([0, 6, 22, 32]), mac(random.one(MACS))),
  (bytes, random) => put(bytes, 23, [random.one([1, 2, 4, 6, 17, 41, 47, 58, 132, random.below(256)])]),
  (bytes, random) => put(bytes, random.one([14, 42]), [0x40 | random.below(16)]),
  // Another length, with the header telling it or not.
  (bytes, random) => {
    const cut = bytes.subarray(0, 14 + random.below(bytes.byteLength - 13));
    return random.once(2) ? put(cut, 16, word(cut.byteLength - 14)) : cut;
  },
  (bytes, random) => {
    const longer = join(bytes, noise(random.below(40), random));
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

export function noise(length: number, random: Random): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

/** @param most how many changes there are at most; often there is none */
export function mutated(frame: Uint8Array, random: Random, most = 3): Uint8Array {
  let changed: Uint8Array = frame.slice();
  for (let count = random.below(most + 1); count > 0; count--) changed = random.one(MUTATIONS)(changed, random);
  return changed;
}

/** What a test run takes at least, whatever the EtherType says: cut to size inside the kernel. */
const SHORTEST = 54;

export interface Fitted {
  frame: Uint8Array;
  /** Bytes that are left of it. */
  cutTo: number | undefined;
}

/** A frame that a test run takes, and how much of it the program is to see. */
export function fitted(frame: Uint8Array): Fitted {
  const { byteLength } = frame;
  if (byteLength >= SHORTEST) return { frame, cutTo: undefined };
  return { frame: join(frame, new Uint8Array(SHORTEST - byteLength)), cutTo: byteLength };
}

/** Beside a frame, rarely. */
export function anyTag(random: Random): number | undefined {
  return random.once(40) ? random.one([0, 1, 100, 0xe000, 0xffff]) : undefined;
}
