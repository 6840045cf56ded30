import { ethernet, icmp, ipv4, raw, tcp, udp } from "@dp/test-kit/frame.ts";
import type { Attempt, Topic } from "../attempt.ts";
import { datagram, ip, ping } from "../frame.ts";
import { GAME_PORT, type Ground } from "../world.ts";

/** IP protocol numbers (IANA). */
const PROTOCOLS: Readonly<Record<string, number>> = {
  "IPv6 hop-by-hop options": 0,
  IGMP: 2,
  "IP in IP": 4,
  EGP: 8,
  DCCP: 33,
  "IPv6 in IPv4 (6in4)": 41,
  RSVP: 46,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMPv6: 58,
  EIGRP: 88,
  OSPF: 89,
  PIM: 103,
  VRRP: 112,
  L2TP: 115,
  SCTP: 132,
  "UDP-Lite": 136,
  "MPLS in IP": 137,
  "an experimental protocol": 253,
  "the reserved protocol": 255,
};

const TARGETS: Readonly<Record<string, (ground: Ground) => string>> = {
  "a player": ({ player }) => player,
  "the gateway": ({ gateway }) => gateway,
};

export const otherProtocols: Topic = {
  title: "IP protocols besides TCP, UDP and ICMP",
  attempts: [
    ...Object.entries(PROTOCOLS).flatMap(([name, protocol]) =>
      Object.entries(TARGETS).map(([whom, dst]) => ({
        name: `${name}, to ${whom}`,
        // What stands inside would do as ports, and as an inner header's beginning.
        frames: (ground: Ground, mark: string) => [ip(ground, { dst: dst(ground) }, raw(protocol, `E\0\0 ${mark}`))],
        drops: { protocol: 1 },
      })),
    ),
    {
      name: "IP in IP, to a server of its group",
      frames: (ground, mark) => [ip(ground, { dst: ground.friend }, raw(4, mark))],
      drops: { protocol: 1 },
    },
    {
      name: "OSPF, to all its routers",
      frames: (ground, mark) => [ip(ground, { dst: "224.0.0.5" }, raw(89, mark), { dst: "01:00:5e:00:00:05" })],
      drops: { protocol: 1 },
    },
    {
      name: "an IGMP membership report",
      frames: (ground, mark) => [ip(ground, { dst: "224.0.0.22" }, raw(2, mark), { dst: "01:00:5e:00:00:16" })],
      drops: { protocol: 1 },
    },
  ],
};

const sent = (name: string, address: (ground: Ground) => string, port: number, outer = {}): Attempt => ({
  name,
  frames: (ground, mark) => [datagram(ground, mark, address(ground), port, {}, outer)],
  drops: { udp: 1 },
});

const internet = () => "192.0.2.1";
const EVERYBODY = { dst: "ff:ff:ff:ff:ff:ff" };

export const datagrams: Topic = {
  title: "UDP",
  attempts: [
    sent("QUIC (port 443) to the internet", internet, 443),
    sent("NTP to the internet", internet, 123),
    sent("Teredo (IPv6 in UDP)", internet, 3544),
    sent("WireGuard to the internet", internet, 51_820),
    sent("VXLAN to the internet", internet, 4789),
    sent("a datagram to a player", ({ player }) => player, 40_000),
    sent("a datagram to a host on the uplink's network", ({ neighbour }) => neighbour, 40_000),
    {
      name: "a datagram from the container port to a player",
      frames: (ground, mark) => [ip(ground, {}, udp({ src: GAME_PORT, dst: 40_000 }, mark))],
      drops: { udp: 1 },
    },
    sent("a datagram to the host's public address", ({ host }) => host, 5000),
    sent("DNS to the gateway's own port 53", ({ gateway }) => gateway, 53),
    sent("SNMP to the gateway", ({ gateway }) => gateway, 161),
    sent("a datagram to the proxy's TCP port", ({ gateway }) => gateway, 9111),
    sent("a datagram to port 0 of the gateway", ({ gateway }) => gateway, 0),
    sent("a datagram to a friend's container port", ({ friend }) => friend, GAME_PORT),
    sent("DNS to a friend", ({ friend }) => friend, 53),
    sent("a datagram to a stranger's container port", ({ stranger }) => stranger, GAME_PORT),
    sent("a DHCP request from its own address", () => "255.255.255.255", 67, EVERYBODY),
    sent("a broadcast on the container network", () => "10.2.255.255", 5000, EVERYBODY),
    sent("a broadcast on the uplink's network", () => "203.0.113.255", 5000, EVERYBODY),
    sent("mDNS", () => "224.0.0.251", 5353, { dst: "01:00:5e:00:00:fb" }),
    sent("LLMNR", () => "224.0.0.252", 5355, { dst: "01:00:5e:00:00:fc" }),
    sent("SSDP", () => "239.255.255.250", 1900, { dst: "01:00:5e:7f:ff:fa" }),
    sent("NetBIOS, as a broadcast", () => "255.255.255.255", 137, EVERYBODY),
    {
      name: "DNS to a resolver on the internet",
      frames: (ground, mark) => [datagram(ground, mark, "192.0.2.53", 53)],
      reaches: ["host"],
      because: "redirected to the proxy's port on its own gateway",
    },
    {
      name: "DNS to the host's public address",
      frames: (ground, mark) => [datagram(ground, mark, ground.host, 53)],
      reaches: ["host"],
      because: "redirected to the proxy's port on its own gateway",
    },
    {
      name: "DNS to another server's host peer",
      frames: (ground, mark) => [datagram(ground, mark, ground.otherGateway, 53)],
      reaches: ["host"],
      because: "redirected to the proxy's port on its own gateway",
    },
    {
      name: "DNS to a resolver on the internet, past the container's own egress",
      frames: (ground, mark) => [datagram(ground, mark, "192.0.2.53", 53)],
      bypass: true,
      drops: { udp: 1 },
    },
    {
      name: "the proxy's port on another server's host peer, past the container's own egress",
      frames: (ground, mark) => [datagram(ground, mark, ground.otherGateway, 9053)],
      bypass: true,
      drops: { udp: 1 },
    },
    {
      name: "the proxy's own DNS port",
      frames: (ground, mark) => [datagram(ground, mark, ground.gateway, 9053)],
      reaches: ["host"],
      because: "it is the proxy's, for which this is a query like any other",
    },
  ],
};

const refused = (
  name: string,
  dst: (ground: Ground) => string,
  fields: Parameters<typeof icmp>[0],
  outer = {},
): Attempt => ({
  name,
  frames: (ground, mark) => [ip(ground, { dst: dst(ground) }, icmp(fields, `E\0\0 ${mark}`), outer)],
  drops: { icmp: 1 },
});

/** About a segment that a player sent to the container port, as the container's own stack would send it. */
function aboutPlayer(ground: Ground, mark: string, fields: Parameters<typeof icmp>[0], flags = "PA"): Uint8Array {
  const about = ipv4({ src: ground.player, dst: ground.self }, tcp({ src: 40_000, dst: GAME_PORT, flags }, mark));
  return ip(ground, {}, icmp(fields, ethernet(ground.outer, about).subarray(14)));
}

const pathMtu: Attempt[] = [0, 68, 552, 1280, 1400, 65_535].flatMap((rest) =>
  ["PA", "S"].map((flags) => ({
    name: `fragmentation needed to ${rest} bytes, to a player, about its ${flags === "S" ? "SYN" : "data"}`,
    frames: (ground: Ground, mark: string) => [aboutPlayer(ground, mark, { type: 3, code: 4, rest }, flags)],
    drops: { icmp: 1 },
  })),
);

export const controlMessages: Topic = {
  title: "ICMP",
  attempts: [
    {
      name: "a ping to the gateway",
      frames: (ground, mark) => [ping(ground, mark, ground.gateway)],
      reaches: ["host"],
      because: "allowed: is there a network at all?",
    },
    refused("a ping to the internet", internet, { type: 8 }),
    refused("a ping to a player", ({ player }) => player, { type: 8 }),
    refused("a ping to the host's public address", ({ host }) => host, { type: 8 }),
    refused("a ping to another server's host peer", ({ otherGateway }) => otherGateway, { type: 8 }),
    refused("a ping to a server of its group", ({ friend }) => friend, { type: 8 }),
    refused("a ping to a stranger", ({ stranger }) => stranger, { type: 8 }),
    refused("a ping to the broadcast address", () => "255.255.255.255", { type: 8 }, EVERYBODY),
    refused("a ping to all hosts (224.0.0.1)", () => "224.0.0.1", { type: 8 }, { dst: "01:00:5e:00:00:01" }),
    refused("the answer to a ping, to a player", ({ player }) => player, { type: 0 }),
    refused("the answer to a ping, to the gateway", ({ gateway }) => gateway, { type: 0 }),
    refused("a redirect, to the gateway", ({ gateway }) => gateway, { type: 5, code: 1, rest: 0x0a020001 }),
    refused("a redirect, to a server of its group", ({ friend }) => friend, { type: 5, code: 1, rest: 0x0a020001 }),
    refused("unreachable, about the gateway's connections", ({ gateway }) => gateway, { type: 3, code: 1 }),
    refused("fragmentation needed, to the gateway", ({ gateway }) => gateway, { type: 3, code: 4, rest: 68 }),
    refused("fragmentation needed, to a host on the internet", internet, { type: 3, code: 4, rest: 68 }),
    ...pathMtu,
    refused("time exceeded, to a host on the internet", internet, { type: 11 }),
    refused("source quench, to the gateway", ({ gateway }) => gateway, { type: 4 }),
    refused("a timestamp request, to the gateway", ({ gateway }) => gateway, { type: 13 }),
    refused("an address mask request, to the gateway", ({ gateway }) => gateway, { type: 17 }),
    refused("a router solicitation", () => "224.0.0.2", { type: 10 }, { dst: "01:00:5e:00:00:02" }),
    refused("a router advertisement", () => "224.0.0.1", { type: 9 }, { dst: "01:00:5e:00:00:01" }),
    refused("an extended echo request (RFC 8335)", ({ gateway }) => gateway, { type: 42 }),
    refused("an unassigned type, to the gateway", ({ gateway }) => gateway, { type: 255 }),
  ],
};
