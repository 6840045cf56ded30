import { arp, type ArpFields, ethernet, EtherType, raw } from "@dp/test-kit/frame.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { OTHER_ETHER_TYPES } from "../ether-types.ts";
import { open, type Outer, ping, reply } from "../frame.ts";
import { GAME_PORT, type Ground } from "../world.ts";

const BROADCAST = "ff:ff:ff:ff:ff:ff";
/** Locally administered. No interface has it. */
const UNUSED_MAC = "02:00:00:00:00:99";

const TAGS: Readonly<Record<string, Outer["vlans"]>> = {
  "VLAN 5": [{ tci: 5 }],
  "VLAN 1": [{ tci: 1 }],
  "VLAN 4095": [{ tci: 4095 }],
  "a priority tag (VLAN 0)": [{ tci: 0 }],
  "a priority tag of priority 7": [{ tci: 0xe000 }],
  "802.1ad": [{ tpid: EtherType.qinq, tci: 5 }],
  "802.1ad without a VLAN": [{ tpid: EtherType.qinq, tci: 0 }],
  "two 802.1Q tags": [{ tci: 5 }, { tci: 6 }],
  "two priority tags": [{ tci: 0 }, { tci: 0 }],
  "802.1ad and 802.1Q": [{ tpid: EtherType.qinq, tci: 5 }, { tci: 6 }],
  "three tags": [{ tci: 1 }, { tci: 2 }, { tci: 3 }],
};

const vlan = { drops: { vlan: 1 } };

export const vlanTags: Topic = {
  title: "VLAN tags",
  attempts: [
    ...Object.entries(TAGS).flatMap(([name, vlans = []]): Attempt[] => [
      {
        name: `${name}, on a reply to a player`,
        frames: (ground, mark) => [reply(ground, mark, {}, { vlans })],
        ...vlan,
      },
      {
        name: `${name}, on a ping to the gateway`,
        frames: (ground, mark) => [ping(ground, mark, ground.gateway, {}, { vlans })],
        ...vlan,
      },
    ]),
    {
      name: "a tagged ARP request",
      frames: (ground, mark) => [
        marked(ethernet({ ...ground.outer, vlans: [{ tci: 5 }] }, arp(request(ground))), mark),
      ],
      ...vlan,
    },
    {
      name: "a tag that is cut off",
      frames: ({ outer }) => [ethernet(outer, raw(EtherType.vlan, Uint8Array.of(0, 5)))],
      because: "the host's kernel drops it before any program",
    },
  ],
};

/** Spanning tree: a length instead of an EtherType, then LLC. */
const llc = (mark: string) => `BB\u0003${mark}`;

export const otherEtherTypes: Topic = {
  title: "Neither IP nor ARP",
  attempts: [
    ...Object.entries(OTHER_ETHER_TYPES).map(([name, type]): Attempt => ({
      name,
      frames: ({ outer }, mark) => [ethernet(outer, raw(type, mark))],
      drops: { notIp: 1 },
    })),
    ...[EtherType.rarp].map((type): Attempt => ({
      name: "RARP",
      frames: (ground, mark) => [marked(ethernet(ground.outer, arp({ ...request(ground), type, operation: 3 })), mark)],
      drops: { notIp: 1 },
    })),
    {
      name: "a spanning tree's frame (802.2 LLC)",
      frames: ({ outer }, mark) => [ethernet({ ...outer, dst: "01:80:c2:00:00:00" }, raw(llc(mark).length, llc(mark)))],
      drops: { notIp: 1 },
    },
    {
      name: "LLDP to its multicast MAC",
      frames: ({ outer }, mark) => [ethernet({ ...outer, dst: "01:80:c2:00:00:0e" }, raw(0x88cc, mark))],
      drops: { notIp: 1 },
    },
    {
      name: "IPX without LLC (802.3)",
      frames: ({ outer }, mark) => [ethernet(outer, raw(32, `\u00ff\u00ff${mark}`))],
      drops: { notIp: 1 },
    },
    {
      name: "EtherType 0",
      frames: ({ outer }, mark) => [ethernet(outer, raw(0, mark))],
      drops: { notIp: 1 },
    },
    {
      name: "the greatest length that is no EtherType",
      frames: ({ outer }, mark) => [ethernet(outer, raw(0x05ff, mark))],
      drops: { notIp: 1 },
    },
  ],
};

const SOURCES: Readonly<Record<string, (ground: Ground) => string>> = {
  "a friend's MAC": ({ friendMac }) => friendMac,
  "the gateway's MAC": ({ outer }) => outer.dst,
  "a MAC of its own making": () => UNUSED_MAC,
  "the broadcast MAC": () => BROADCAST,
  "a multicast MAC": () => "01:00:5e:00:00:01",
  "no MAC at all (zeroes)": () => "00:00:00:00:00:00",
};

const ONE: Readonly<Record<string, (ground: Ground) => string>> = {
  "a friend's MAC": ({ friendMac }) => friendMac,
  "a MAC that no interface has": () => UNUSED_MAC,
  "its own MAC": ({ outer }) => outer.src,
};

const MANY: typeof ONE = {
  "the broadcast MAC": () => BROADCAST,
  "a multicast MAC": () => "01:00:5e:00:00:01",
};

export const macAddresses: Topic = {
  title: "Other MAC addresses",
  attempts: [
    ...Object.entries(SOURCES).flatMap(([name, src]): Attempt[] => [
      {
        name: `a reply to a player from ${name}`,
        frames: (ground, mark) => [reply(ground, mark, {}, { src: src(ground) })],
        drops: { spoofedMac: 1 },
      },
      {
        name: `a ping to the gateway from ${name}`,
        frames: (ground, mark) => [ping(ground, mark, ground.gateway, {}, { src: src(ground) })],
        drops: { spoofedMac: 1 },
      },
    ]),
    ...Object.entries(ONE).map(([name, dst]): Attempt => ({
      name: `a reply to a player, sent to ${name}`,
      frames: (ground, mark) => [reply(ground, mark, {}, { dst: dst(ground) })],
      reaches: ["uplink"],
      because: "a reply all the same; it leaves with the MAC of the next hop",
    })),
    ...Object.entries(MANY).map(([name, dst]): Attempt => ({
      name: `a reply to a player, sent to ${name}`,
      frames: (ground, mark) => [reply(ground, mark, {}, { dst: dst(ground) })],
      because: "the kernel sends nothing on that was meant for many",
    })),
    ...Object.entries({ ...ONE, ...MANY }).flatMap(([name, dst]): Attempt[] => [
      {
        name: `data for a player from no container port, sent to ${name}`,
        frames: (ground, mark) => [
          open(ground, mark, ground.player, 443, { src: 41_000, flags: "PA" }, {}, { dst: dst(ground) }),
        ],
        drops: { noFlow: 1 },
      },
      {
        name: `a connection to a stranger's container port, sent to ${name}`,
        frames: (ground, mark) => [open(ground, mark, ground.stranger, GAME_PORT, {}, {}, { dst: dst(ground) })],
        drops: { eastWest: 1 },
      },
    ]),
  ],
};

/** How the container asks for its gateway. */
function request({ self, gateway, outer }: Ground): ArpFields {
  return { operation: 1, senderMac: outer.src, senderAddress: self, targetAddress: gateway };
}

/** ARP packets end where they end: the mark is in the padding. */
function marked(frame: Uint8Array, mark: string): Uint8Array {
  return Uint8Array.from([...frame, ...new TextEncoder().encode(mark)]);
}

const said = (
  name: string,
  fields: (ground: Ground) => Partial<ArpFields>,
  outer: (ground: Ground) => Outer = () => ({ dst: BROADCAST }),
): Attempt => ({
  name,
  frames: (ground, mark) => [
    marked(ethernet({ ...ground.outer, ...outer(ground) }, arp({ ...request(ground), ...fields(ground) })), mark),
  ],
  drops: { arp: 1 },
});

export const arpPackets: Topic = {
  title: "ARP",
  attempts: [
    {
      name: "who has the gateway's address?",
      frames: (ground, mark) => [marked(ethernet({ ...ground.outer, dst: BROADCAST }, arp(request(ground))), mark)],
      because: "answered by the program, on the same interface",
    },
    said("who has the gateway's address?, in a stranger's name", ({ stranger }) => ({ senderAddress: stranger })),
    said("who has the gateway's address?, from 0.0.0.0 (a probe)", () => ({ senderAddress: "0.0.0.0" })),
    said("who has a friend's address?", ({ friend }) => ({ targetAddress: friend })),
    said("who has the host's public address?", ({ host }) => ({ targetAddress: host })),
    said("who has another host peer's address?", ({ otherGateway }) => ({ targetAddress: otherGateway })),
    said("who has its own address?, to announce it", ({ self }) => ({ targetAddress: self })),
    said("an announcement of the gateway's address (gratuitous request)", ({ gateway }) => ({
      senderAddress: gateway,
      targetAddress: gateway,
    })),
    said("an announcement of the gateway's address (gratuitous reply)", ({ gateway }) => ({
      operation: 2,
      senderAddress: gateway,
      targetAddress: gateway,
    })),
    said(
      "a reply that it is the gateway, to a friend",
      ({ gateway, friend, friendMac }) => ({
        operation: 2,
        senderAddress: gateway,
        targetAddress: friend,
        targetMac: friendMac,
      }),
      ({ friendMac }) => ({ dst: friendMac }),
    ),
    said(
      "a reply that it is a friend, to the host",
      ({ friend, gateway, outer }) => ({
        operation: 2,
        senderAddress: friend,
        targetAddress: gateway,
        targetMac: outer.dst,
      }),
      ({ outer }) => ({ dst: outer.dst }),
    ),
    said(
      "a reply that it is the uplink's gateway, to the host",
      ({ host, outer }) => ({
        operation: 2,
        senderAddress: "203.0.113.1",
        targetAddress: host,
        targetMac: outer.dst,
      }),
      ({ outer }) => ({ dst: outer.dst }),
    ),
    said("a reply with another MAC for its own address", ({ self, gateway }) => ({
      operation: 2,
      senderMac: UNUSED_MAC,
      senderAddress: self,
      targetAddress: gateway,
    })),
    said("an inverse ARP request", () => ({ operation: 8 })),
    said("an unknown operation", () => ({ operation: 99 })),
    said("ARP for another hardware", () => ({ hardwareType: 6 })),
    said("ARP for another protocol", () => ({ protocolType: EtherType.ipv6 })),
    said("ARP with addresses of other lengths", () => ({ hardwareLength: 8, protocolLength: 16 })),
    {
      name: "ARP that is cut off",
      frames: ({ outer }, mark) => [ethernet(outer, raw(EtherType.arp, `\0\u0001\b\0${mark}`))],
      drops: { truncated: 1 },
    },
  ],
};
