import { EtherType } from "@dp/test-kit/frame.ts";

/** Protocols beside and below IP that a frame can announce, by their EtherTypes (IEEE registry). */
export const OTHER_ETHER_TYPES = {
  PUP: 0x0200,
  "wake-on-LAN": 0x0842,
  TRILL: 0x22f3,
  AppleTalk: 0x809b,
  IPX: 0x8137,
  "flow control": 0x8808,
  "slow protocols (LACP)": 0x8809,
  MPLS: 0x8847,
  "MPLS multicast": 0x8848,
  "PPPoE discovery": 0x8863,
  "PPPoE session": 0x8864,
  "EAPOL (802.1X)": 0x888e,
  "local experimental 1": 0x88b5,
  "local experimental 2": 0x88b6,
  LLDP: 0x88cc,
  MACsec: 0x88e5,
  PTP: 0x88f7,
  FCoE: 0x8906,
  RoCE: 0x8915,
  HSR: 0x892f,
  "configuration testing (loopback)": 0x9000,
  "802.1Q, as it was before the standard": 0x9100,
  "transparent Ethernet bridging": 0x6558,
  BATMAN: 0x4305,
  "the last one": 0xffff,
} as const;

/** What the kernel makes of an EtherType that is a length: 802.2 LLC, and Novell's frames without it. */
const LENGTHS = { llc: 0x0004, raw8023: 0x0001 } as const;

/** The host's stack is watched for each, since it hands frames out by type. */
export const WATCHED_ETHER_TYPES: readonly number[] = [
  ...Object.values(EtherType),
  ...Object.values(OTHER_ETHER_TYPES),
  ...Object.values(LENGTHS),
];
