/** bpf/snat.bpf.c, rule by rule, at the host peer of server A. See runner.ts for the topology. */
import { describe, expect, test } from "bun:test";
import { DpFamily } from "@dp/bpf";
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
  type Layer,
  MAXIMUM_OPTIONS,
  padded,
  Protocol,
  raw,
  RECORD_ROUTE,
  SYN_OPTIONS,
  tcp,
  type TcpFields,
  udp,
} from "@dp/test-kit/frame.ts";
import type { ProgramRunner, DropReason, RunOptions } from "@dp/test-kit/program-runner.ts";
import {
  A,
  B,
  CONFIG,
  HOST_ADDRESSES,
  hostFilter,
  HOST_PEER_MAC,
  PUBLIC_ADDRESS,
  type Server,
  STRANGER,
  UPLINK,
} from "@dp/test-kit/two-servers.ts";
import { forwardOf, type ServerDetails } from "@dp/test-kit/write-server.ts";
import { monotonicNow } from "../../src/ffi/libc.ts";
import { u64 } from "../../src/libbpf/index.ts";
import { runnerFor, type Case, dropped, outOf, table } from "./table.ts";
import { type Details, packetOf, type Plain, translates } from "./translation.ts";

const runner = runnerFor("snat");

const PLAYER = { address: "198.51.100.7", port: 40000 };
const LEAVING: EthernetFields = { dst: HOST_PEER_MAC, src: A.mac };
const FROM_A: Ipv4Fields = { src: A.address, dst: PLAYER.address };
const FROM_GAME: TcpFields = { src: A.containerPort, dst: PLAYER.port };

const PLAIN: Plain = { eth: LEAVING, ip: FROM_A, tcp: FROM_GAME };

/** What server A sends back to a player. */
const reply = (details: Details = {}) => packetOf(PLAIN, details);

/** The same as it must leave. The MACs are bpf_redirect_neigh's to fill in, after the program. */
function asSent(details: Details = {}, server: Server = A): Uint8Array {
  return packetOf(PLAIN, {
    ...details,
    ip: { ...details.ip, src: PUBLIC_ADDRESS },
    tcp: { ...details.tcp, src: server.port },
  });
}

/** Anything the container sends, in a frame and a packet of its own addresses. */
function fromContainer(layer: Layer, ip: Partial<Ipv4Fields> = {}): Uint8Array {
  return ethernet(LEAVING, ipv4({ ...FROM_A, ...ip }, layer));
}

interface FlowFields {
  server: number;
  sport: number;
  protocol: number;
  listener: number;
}

/** A flow of server A's container from port 40000, as dp_tproxy_container makes it. */
function addFlow(
  maps: ProgramRunner,
  {
    server = A.id,
    sport = 40000,
    protocol = Protocol.tcp,
    listener,
  }: Partial<FlowFields> & Pick<FlowFields, "listener">,
): void {
  const key = { server, sport, protocol, family: DpFamily.ipv4 };
  maps.set("dp_origins", key, { dst: "198.51.100.7", dport: 443, sport, listener, end: 0, expires: 0n });
}

/** What goes, or went, to one of the proxy's listeners. */
function toProxy(layer: Layer): Uint8Array {
  return fromContainer(layer, { dst: A.gateway });
}

const drop = (it: string, reason: DropReason, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
  it: `${it}, is dropped: ${reason}`,
  packet,
  verdict: "drop",
  counts: dropped(A.id, reason),
  ...more,
});

const pass = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
  it,
  packet,
  verdict: "pass",
  ...more,
});

// Rule 9h. Whatever the segment, only the source changes.
translates(runner, {
  it: (what) => `${what}, from the container port, leaves under the public address and port`,
  packet: reply,
  translated: asSent,
  counts: outOf(A),
  receiver: "the player",
  segments: [
    ["a SYN+ACK with its options", { tcp: { flags: "SA", options: SYN_OPTIONS }, data: "" }],
    ["a SYN+ACK that agrees to ECN", { tcp: { flags: "SAE" }, data: "" }],
    ["a RST+ACK", { tcp: { flags: "RA" }, data: "" }],
    ["a segment to port 25565 of a player", { tcp: { dst: 25565 } }],
    ["a segment to a proxy's port of a player", { tcp: { dst: 9080 } }],
    ["a packet to the last address below multicast", { ip: { dst: "223.255.255.255" } }],
    ["a packet to the first address that is one", { ip: { dst: "1.0.0.0" } }],
    ["a packet to the address before the host subnet", { ip: { dst: "10.0.255.255" } }],
    ["a packet to the address behind the container subnet", { ip: { dst: "10.3.0.0" } }],
    ["a packet to an address beside loopback's", { ip: { dst: "128.0.0.0" } }],
    ["a packet whose frame is to another MAC", { eth: { dst: "ff:ff:ff:ff:ff:ff" } }],
  ],
});

table(runner, [
  {
    it: "another server's reply leaves under that server's port",
    packet: reply({ eth: { src: B.mac }, ip: { src: B.address } }),
    run: { ifindex: B.hostPeer },
    verdict: "redirect",
    out: asSent({ eth: { src: B.mac } }, B),
    counts: outOf(B),
  },
  // Rule 9f.
  drop("a reply whose uplink is gone, though another interface may have its index", "gone", reply(), {
    given: (maps) => maps.delete("dp_uplinks", UPLINK.index),
  }),

  // Rule 1.
  drop("a packet from an interface no server has", "unknownInterface", reply(), {
    run: { ifindex: STRANGER.index },
    counts: dropped(0, "unknownInterface"),
  }),
  drop("a packet from a container that was removed", "unknownInterface", reply(), {
    given: (maps) => maps.delete("dp_servers", A.hostPeer),
    counts: dropped(0, "unknownInterface"),
  }),
  {
    it: "a packet of a server without drop counts is counted for no server",
    given: (maps) => maps.delete("dp_drop_counts", A.id),
    packet: fromContainer(udp({ src: 1, dst: 2 })),
    verdict: "drop",
    counts: dropped(0, "udp"),
  },

  // Rule 3, before anything else of the packet is believed.
  drop("a reply with another container's MAC", "spoofedMac", reply({ eth: { src: B.mac } })),
  drop("a reply with the host peer's MAC", "spoofedMac", reply({ eth: { src: HOST_PEER_MAC } })),
  ...[0, 1, 2, 3, 4, 5].map((octet) => {
    const packet = reply();
    packet[6 + octet] = (packet[6 + octet] as number) ^ 1;
    return drop(`a reply whose MAC differs in octet ${octet}`, "spoofedMac", packet);
  }),
  drop("IPv6 with another MAC", "spoofedMac", ethernet({ ...LEAVING, src: B.mac }, ipv6(tcp(FROM_GAME)))),

  // Rule 4.
  drop("a tagged reply (the tag beside the frame)", "vlan", reply(), { run: { tag: 100 } }),
  drop("a reply tagged with a priority alone", "vlan", reply(), { run: { tag: 0xe000 } }),
  drop("a reply tagged with nothing but zeroes", "vlan", reply(), { run: { tag: 0 } }),
  drop("a reply with a tag in its frame", "vlan", reply({ eth: { vlans: [{ tci: 100 }] } })),
  drop(
    "a reply with a service tag in its frame",
    "vlan",
    reply({ eth: { vlans: [{ tpid: EtherType.qinq, tci: 1 }] } }),
  ),
  drop("IPv6 from the container port", "ipv6", ethernet(LEAVING, ipv6(tcp(FROM_GAME)))),
  drop(
    "an IPv6 router solicitation",
    "ipv6",
    ethernet(LEAVING, ipv6(raw(Protocol.icmpv6, new Uint8Array(8).fill(133)))),
  ),
  drop("an unknown EtherType", "notIp", ethernet(LEAVING, raw(0x88b5, "hello"))),
  drop("a bare Ethernet header of an unknown type", "notIp", ethernet(LEAVING, raw(0x88b5, ""))),
  drop("an IPv4 reply under another EtherType", "notIp", reply({ eth: { type: 0x88b5 } })),
  drop("an 802.3 frame, with a length for a type", "notIp", ethernet(LEAVING, raw(38, new Uint8Array(38)))),
  drop(
    "a reverse ARP request",
    "notIp",
    ethernet(
      LEAVING,
      arp({
        type: EtherType.rarp,
        operation: 3,
        senderMac: A.mac,
        senderAddress: A.address,
        targetAddress: "0.0.0.0",
      }),
    ),
  ),

  // Rule 5.
  drop("an IPv4 header of version 6", "malformed", reply({ ip: { version: 6 } })),
  drop("an IPv4 header of version 0", "malformed", reply({ ip: { version: 0 } })),
  drop("a header length below 5 words", "malformed", reply({ ip: { ihl: 4 } })),
  drop("a header length of 0", "malformed", reply({ ip: { ihl: 0 } })),
  drop(
    "a header length beyond the total length",
    "malformed",
    reply({
      ip: { ihl: 15, totalLength: 40 },
      data: "x".repeat(60),
    }),
  ),
  drop("a total length beyond the end of the packet", "malformed", reply({ ip: { totalLength: 20 + 20 + 6 } })),
  drop("a total length shorter than the header", "malformed", reply({ ip: { totalLength: 19 } })),
  drop("a total length of 0 in an ordinary packet", "malformed", reply({ ip: { totalLength: 0 } })),

  // Rule 6.
  drop("a reply from another container's address", "spoofedAddress", reply({ ip: { src: B.address } })),
  drop("a reply from the public address", "spoofedAddress", reply({ ip: { src: PUBLIC_ADDRESS } })),
  drop("a reply from the gateway's address", "spoofedAddress", reply({ ip: { src: A.gateway } })),
  drop("a reply from loopback", "spoofedAddress", reply({ ip: { src: "127.0.0.1" } })),
  drop(
    "a DHCP request, from no address",
    "spoofedAddress",
    fromContainer(udp({ src: 68, dst: 67 }), {
      src: "0.0.0.0",
      dst: "255.255.255.255",
    }),
  ),
  drop(
    "a query to the proxy from another address",
    "spoofedAddress",
    fromContainer(udp({ src: 40000, dst: 9053 }), {
      src: "10.2.0.9",
      dst: A.gateway,
    }),
  ),
  drop(
    "a packet of the neighbour's address, seen at the wrong peer",
    "spoofedAddress",
    reply({ eth: { src: B.mac } }),
    {
      run: { ifindex: B.hostPeer },
      counts: dropped(B.id, "spoofedAddress"),
    },
  ),

  // Rule 7.
  ...fragments(LEAVING, FROM_A, tcp(FROM_GAME, "0123456789".repeat(20)), [40, 120]).map((packet, index) =>
    drop(`fragment ${index + 1} of 3 of a reply`, "fragment", packet),
  ),
  drop(
    "a first fragment too small for a TCP header",
    "fragment",
    fragments(LEAVING, FROM_A, tcp(FROM_GAME, "hello"), [8])[0] as Uint8Array,
  ),
  drop(
    "a fragmented query to the proxy",
    "fragment",
    fragments(
      LEAVING,
      { ...FROM_A, dst: A.gateway },
      udp({ src: 40000, dst: 9053 }, "x".repeat(64)),
      [16],
    )[0] as Uint8Array,
  ),

  // Rule 8: see below for servers of one group.
  drop("a SYN to another container", "eastWest", reply({ ip: { dst: B.address }, tcp: { flags: "S" } })),
  drop("a reply to another container", "eastWest", reply({ ip: { dst: B.address } })),
  drop(
    "TCP to the container port of another container",
    "eastWest",
    fromContainer(tcp({ src: 40000, dst: 25565, flags: "S" }), {
      dst: B.address,
    }),
  ),
  drop(
    "TCP to any port of another container",
    "eastWest",
    fromContainer(tcp({ src: 40000, dst: 9080 }), { dst: B.address }),
  ),
  drop(
    "TCP to an address of the container subnet that no container has",
    "eastWest",
    reply({ ip: { dst: "10.2.255.255" } }),
  ),
  drop("TCP to the container's own address", "eastWest", reply({ ip: { dst: A.address } })),

  // Rule 9a.
  drop(
    "a connection opened from the container port",
    "forwardSyn",
    reply({ tcp: { flags: "S", options: SYN_OPTIONS } }),
  ),
  drop("one that asks for ECN", "forwardSyn", reply({ tcp: { flags: "SEC" } })),
  drop("a SYN with FIN", "forwardSyn", reply({ tcp: { flags: "SF" } })),
  drop("a SYN with RST", "forwardSyn", reply({ tcp: { flags: "SR" } })),
  drop("a SYN with PSH, URG and data", "forwardSyn", reply({ tcp: { flags: "SPU" } })),
  drop("a SYN to the host", "forwardSyn", reply({ ip: { dst: A.gateway }, tcp: { flags: "S" } })),
  drop("a SYN to the proxy's port", "forwardSyn", reply({ ip: { dst: A.gateway }, tcp: { flags: "S", dst: 9111 } })),

  // Rule 9d.
  pass("a reply to the gateway goes up the host's stack", reply({ ip: { dst: A.gateway } })),
  ...HOST_ADDRESSES.map((dst) =>
    pass(`a reply to the host's address ${dst} goes up the host's stack`, reply({ ip: { dst } })),
  ),
  pass("a SYN+ACK to the host goes up the host's stack", reply({ ip: { dst: A.gateway }, tcp: { flags: "SA" } })),
  pass("an address of the host inside the container subnet is the host's", reply({ ip: { dst: "10.2.0.1" } }), {
    given: (maps) => {
      maps.set("dp_host_addrs", "10.2.0.1", { ifindex: UPLINK.index });
      maps.set("dp_configs", 0, { ...CONFIG, hostFilter: hostFilter(["10.2.0.1"]) });
    },
  }),
  {
    it: "an address that the host no longer has is treated as a player's",
    given: (maps) => maps.delete("dp_host_addrs", "192.0.2.1"),
    packet: reply({ ip: { dst: "192.0.2.1" } }),
    verdict: "redirect",
    out: asSent({ ip: { dst: "192.0.2.1" } }),
    counts: outOf(A),
  },

  // Rule 9b.
  ...[
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.255.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
  ].map((dst) => drop(`a reply to ${dst}`, "destination", reply({ ip: { dst } }))),
  drop("a reply to another server's host peer", "destination", reply({ ip: { dst: B.gateway } })),
  drop(
    "a reply to an address of the host subnet that no host peer has",
    "destination",
    reply({ ip: { dst: "10.1.255.255" } }),
  ),

  // Rule 10.
  ...([9080, 9053, 9111] as const).flatMap((listener) => [
    pass(`a SYN of a flow to the listener ${listener}`, toProxy(tcp({ src: 40000, dst: listener, flags: "S" })), {
      given: (maps) => addFlow(maps, { listener }),
    }),
    pass(`data of a flow to the listener ${listener}`, toProxy(tcp({ src: 40000, dst: listener }, "GET /")), {
      given: (maps) => addFlow(maps, { listener }),
    }),
    drop(
      `a SYN of no flow to the listener ${listener}`,
      "tcp",
      toProxy(tcp({ src: 40000, dst: listener, flags: "S" })),
    ),
    drop(`data of no flow to the listener ${listener}`, "tcp", toProxy(tcp({ src: 40000, dst: listener }, "GET /"))),
  ]),
  pass("a query of a flow to the DNS listener", toProxy(udp({ src: 40000, dst: 9053 }, "query")), {
    given: (maps) => addFlow(maps, { protocol: Protocol.udp, listener: 9053 }),
  }),
  drop("a query of no flow to the DNS listener", "udp", toProxy(udp({ src: 40000, dst: 9053 }, "query"))),
  ...(["tcp", "udp"] as const).flatMap((protocol) => {
    const layer = { tcp, udp }[protocol]({ src: 40000, dst: 7777 });
    const name = protocol.toUpperCase();
    const old = (from: Partial<FlowFields>, listener = 7777): Partial<Case> => ({
      given: (maps) => addFlow(maps, { protocol: Protocol[protocol], ...from, listener }),
    });
    return [
      pass(`${name} of a flow goes on to the port the proxy had when it began`, toProxy(layer), old({})),
      drop(`${name} to an old port of the proxy, of no flow`, protocol, toProxy(layer)),
      drop(`${name} to another port than its flow's`, protocol, toProxy(layer), old({}, 7778)),
      drop(`${name} of a flow from another port`, protocol, toProxy(layer), old({ sport: 40001 })),
      drop(`${name} of another container's flow`, protocol, toProxy(layer), old({ server: B.id })),
      drop(`${name} of a flow, to another address`, protocol, fromContainer(layer), old({})),
      drop(
        `${name} of the other protocol's flow`,
        protocol,
        toProxy(layer),
        old({ protocol: protocol === "tcp" ? Protocol.udp : Protocol.tcp }),
      ),
    ];
  }),

  // Rule 11.
  pass("a ping to the gateway passes", fromContainer(icmp({ type: IcmpType.echoRequest }, "ping"), { dst: A.gateway })),

  // Rule 13.
  ...[RECORD_ROUTE, MAXIMUM_OPTIONS].flatMap((options) => {
    const to = { dst: A.gateway, options };
    const length = `with ${options.byteLength} bytes of IP options`;
    return [
      drop(`TCP to the proxy ${length}`, "ipOptions", fromContainer(tcp({ src: 40000, dst: 9111 }), to), {
        given: (maps) => addFlow(maps, { listener: 9111 }),
      }),
      drop(`a query to the proxy ${length}`, "ipOptions", fromContainer(udp({ src: 40000, dst: 9053 }), to), {
        given: (maps) => addFlow(maps, { protocol: Protocol.udp, listener: 9053 }),
      }),
      drop(`a ping to the gateway ${length}`, "ipOptions", fromContainer(icmp({ type: IcmpType.echoRequest }), to)),
      drop(`a reply to the host ${length}`, "ipOptions", reply({ ip: { dst: PUBLIC_ADDRESS, options } })),
    ];
  }),

  // Rule 12.
  drop("TCP that is not redirected while flows are held", "held", fromContainer(tcp({ src: 40000, dst: 443 })), {
    given: (maps) => maps.set("dp_configs", 0, { ...CONFIG, heldUntil: monotonicNow() + 3_600_000_000_000n }),
  }),
  drop("UDP that is not redirected while flows are held", "held", fromContainer(udp({ src: 40000, dst: 53 })), {
    given: (maps) => maps.set("dp_configs", 0, { ...CONFIG, heldUntil: monotonicNow() + 3_600_000_000_000n }),
  }),
  drop("TCP that is not redirected once a hold has lapsed", "tcp", fromContainer(tcp({ src: 40000, dst: 443 })), {
    given: (maps) => maps.set("dp_configs", 0, { ...CONFIG, heldUntil: monotonicNow() }),
  }),
  drop("TCP that was not redirected", "tcp", fromContainer(tcp({ src: 40000, dst: 443, flags: "S" }))),
  drop(
    "TCP to a player that is not from the container port",
    "tcp",
    fromContainer(tcp({ src: 25566, dst: 40000, flags: "SA" })),
  ),
  drop("TCP from the container port with its bytes swapped", "tcp", fromContainer(tcp({ src: 0xdd63, dst: 40000 }))),
  drop(
    "TCP to another port of the gateway",
    "tcp",
    fromContainer(tcp({ src: 40000, dst: 22, flags: "S" }), { dst: A.gateway }),
  ),
  drop(
    "TCP to the proxy's port of another server's host peer",
    "tcp",
    fromContainer(tcp({ src: 40000, dst: 9111 }), {
      dst: B.gateway,
    }),
  ),
  drop(
    "TCP to the proxy's port of the public address",
    "tcp",
    fromContainer(tcp({ src: 40000, dst: 9080 }), {
      dst: PUBLIC_ADDRESS,
    }),
  ),
  drop(
    "DNS that was not redirected",
    "udp",
    fromContainer(udp({ src: 40000, dst: 53 }, "query"), { dst: "192.0.2.53" }),
  ),
  drop("UDP from the container port", "udp", fromContainer(udp({ src: A.containerPort, dst: PLAYER.port }, "hello"))),
  drop("UDP to the proxy's HTTP listener", "udp", fromContainer(udp({ src: 40000, dst: 9080 }), { dst: A.gateway })),
  drop("UDP to the proxy's TCP listener", "udp", fromContainer(udp({ src: 40000, dst: 9111 }), { dst: A.gateway })),
  drop("UDP to another port of the gateway", "udp", fromContainer(udp({ src: 40000, dst: 53 }), { dst: A.gateway })),
  drop(
    "UDP to the DNS listener's port of another server's host peer",
    "udp",
    fromContainer(udp({ src: 1, dst: 9053 }), {
      dst: B.gateway,
    }),
  ),
  drop("multicast DNS", "udp", fromContainer(udp({ src: 5353, dst: 5353 }), { dst: "224.0.0.251" })),
  drop("a ping to a player", "icmp", fromContainer(icmp({ type: IcmpType.echoRequest }, "ping"))),
  drop("a ping to another container", "icmp", fromContainer(icmp({ type: IcmpType.echoRequest }), { dst: B.address })),
  drop(
    "a ping to another server's host peer",
    "icmp",
    fromContainer(icmp({ type: IcmpType.echoRequest }), { dst: B.gateway }),
  ),
  drop(
    "a ping to the public address",
    "icmp",
    fromContainer(icmp({ type: IcmpType.echoRequest }), { dst: PUBLIC_ADDRESS }),
  ),
  drop("an echo reply to the gateway", "icmp", fromContainer(icmp({ type: IcmpType.echoReply }), { dst: A.gateway })),
  drop(
    "an ICMP redirect to the gateway",
    "icmp",
    fromContainer(icmp({ type: IcmpType.redirect, code: 1 }), { dst: A.gateway }),
  ),
  ...([Protocol.sctp, Protocol.gre, Protocol.icmpv6, 2, 0, 4, 41, 255] as const).map((protocol) =>
    drop(
      `IP protocol ${protocol}, though its first bytes are the container port,`,
      "protocol",
      reply({ ip: { protocol } }),
    ),
  ),
]);

/** Puts both servers into groups. */
function groups(ofA: number, ofB: number, detailsOfB: ServerDetails = {}): (maps: ProgramRunner) => void {
  return (maps) => {
    maps.writeServer(A, { group: ofA });
    maps.writeServer(B, { group: ofB, ...detailsOfB });
  };
}

/** A to B, as it leaves A, and as it must enter B: with B's MAC. */
function eastWest(it: string, segment: TcpFields, ip: Partial<Ipv4Fields> = {}): Case {
  const layers = ipv4({ ...FROM_A, dst: B.address, ...ip }, tcp(segment, "hello"));
  return {
    it,
    given: groups(9, 9),
    packet: ethernet(LEAVING, layers),
    verdict: "redirect",
    out: ethernet({ ...LEAVING, dst: B.mac }, layers),
  };
}

const toB = (segment: TcpFields) => fromContainer(tcp(segment), { dst: B.address });
const toGame = { src: 40000, dst: B.containerPort };

// Rule 8a, and what it does not reach.
table(runner, [
  eastWest("a connection to a server of the same group goes straight into it", { ...toGame, flags: "S" }),
  eastWest("so do its later segments", { ...toGame, flags: "PA" }),
  eastWest("so do those with IP options", toGame, { options: RECORD_ROUTE }),
  eastWest("so does one opened from the own container port", {
    src: A.containerPort,
    dst: B.containerPort,
    flags: "S",
  }),
  eastWest("so does the answer of the own container port", { src: A.containerPort, dst: 40000, flags: "SA" }),
  eastWest("so does its data", { src: A.containerPort, dst: 40000, flags: "PA" }),
  {
    ...eastWest("a server's container port is its own", { src: 40000, dst: 30000, flags: "S" }),
    given: groups(9, 9, { forwards: [forwardOf(B, { containerPort: 30000 })] }),
  },
  drop("a connection to another port in the same group", "eastWest", toB({ src: 40000, dst: 22, flags: "S" }), {
    given: groups(9, 9),
  }),
  drop(
    "one from the own container port to another port",
    "eastWest",
    toB({ src: A.containerPort, dst: 22, flags: "S" }),
    {
      given: groups(9, 9),
    },
  ),
  drop("an answer that is not from the container port", "eastWest", toB({ src: 40000, dst: 40000, flags: "SA" }), {
    given: groups(9, 9),
  }),
  drop("a connection to a server of another group", "eastWest", toB({ ...toGame, flags: "S" }), {
    given: groups(9, 8),
  }),
  drop("one to a server of no group", "eastWest", toB({ ...toGame, flags: "S" }), { given: groups(9, 0) }),
  drop("one of a server of no group", "eastWest", toB({ ...toGame, flags: "S" }), { given: groups(0, 9) }),
  drop("one between two of no group", "eastWest", toB({ ...toGame, flags: "S" }), { given: groups(0, 0) }),
  drop("one to a server that was removed", "eastWest", toB({ ...toGame, flags: "S" }), {
    given: (maps) => {
      groups(9, 9)(maps);
      maps.delete("dp_containers", B.address);
    },
  }),
  drop("one to a server whose interface is gone", "gone", toB({ ...toGame, flags: "S" }), {
    given: (maps) => {
      groups(9, 9)(maps);
      maps.delete("dp_host_peers", B.id);
    },
  }),
  drop("UDP to a server of the same group", "udp", fromContainer(udp(toGame), { dst: B.address }), {
    given: groups(9, 9),
  }),
  drop("a ping to one", "icmp", fromContainer(icmp({ type: IcmpType.echoRequest }), { dst: B.address }), {
    given: groups(9, 9),
  }),
]);

describe("with a budget of two connections and two datagrams for each server, and of one for all", () => {
  // Longer than a test takes; the host has been up for a few of them.
  const INTERVAL = 10_000_000_000n;
  const frugal = runnerFor("snat", {
    prepare(object) {
      for (const whose of ["own", "shared"]) object.setVariable(`dp_${whose}_interval_ns`, u64, INTERVAL);
      object.setVariable("dp_own_burst", u64, 2n);
      object.setVariable("dp_shared_burst", u64, 1n);
    },
  });
  const KINDS = {
    connection: toProxy(tcp({ src: 40000, dst: 9111, flags: "S" })),
    datagram: toProxy(udp({ src: 40000, dst: 9053 }, "query")),
  };
  const FROM_B = ethernet(
    { dst: HOST_PEER_MAC, src: B.mac },
    ipv4({ src: B.address, dst: B.gateway }, tcp({ src: 40000, dst: 9111, flags: "S" })),
  );
  const addFlows = () => {
    addFlow(frugal(), { listener: 9111 });
    addFlow(frugal(), { protocol: Protocol.udp, listener: 9053 });
    addFlow(frugal(), { server: B.id, listener: 9111 });
  };
  const verdicts = (frame: Uint8Array, times: number, options: RunOptions = {}) =>
    Array.from({ length: times }, () => frugal().run(frame, options).verdict);

  for (const [kind, frame] of Object.entries(KINDS)) {
    test(`a ${kind} beyond both is dropped: rate`, () => {
      addFlows();
      expect(verdicts(frame, 3)).toEqual(["pass", "pass", "pass"]);
      expect(frugal().run(frame)).toMatchObject({ verdict: "drop", counts: dropped(A.id, "rate")(0) });
    });
  }

  test("another server has its own, however much one sends", () => {
    addFlows();
    verdicts(KINDS.connection, 100);
    expect(verdicts(FROM_B, 3, { ifindex: B.hostPeer })).toEqual(["pass", "pass", "drop"]);
  });

  test("connections do not use up that of datagrams, nor the other way round", () => {
    addFlows();
    verdicts(KINDS.connection, 100);
    expect(verdicts(KINDS.datagram, 3)).toEqual(["pass", "pass", "pass"]);
  });

  test("segments of a connection are free", () => {
    addFlows();
    verdicts(KINDS.connection, 100);
    const segment = toProxy(tcp({ src: 40000, dst: 9111 }, "GET /"));
    expect(new Set(verdicts(segment, 100))).toEqual(new Set(["pass"]));
  });
});

test("a budget that is used up grows again with the time", async () => {
  const frame = toProxy(udp({ src: 40000, dst: 9053 }, "query"));
  addFlow(runner(), { protocol: Protocol.udp, listener: 9053 });
  const verdict = () => runner().run(frame).verdict;
  while (verdict() === "pass");
  while (verdict() === "drop") await Bun.sleep(1);
});

test("without a configuration, a reply goes nowhere", () => {
  const none = { addr: "", mask: "" };
  const subnets = { hostSubnets: [none, none], containerSubnets: [none, none] };
  runner().set("dp_configs", 0, { ...CONFIG, httpPort: 0, dnsPort: 0, tcpPort: 0, ...subnets });
  expect(runner().run(reply()).verdict).toBe("drop");
  for (const layer of [tcp({ src: 40000, dst: 0 }), udp({ src: 40000, dst: 0 })]) {
    expect(runner().run(fromContainer(layer, { dst: A.gateway })).verdict).toBe("drop");
  }
});

/** Rules 8a and 9g: what a container says of a big packet's segments, and how long its packets are. */
/**
 * An interface of two-servers.ts whose MTU is as it was made: 1500. That of the others is longer than a test run's
 * packets.
 */
const SMALL = { ifindex: 31, mtu: 1500 };
const MTU = SMALL.mtu;
const bySmall = (maps: ProgramRunner) => {
  maps.set("dp_uplinks", SMALL.ifindex, SMALL.ifindex);
  maps.writeServer(A, { forwards: [forwardOf(A, { uplink: SMALL.ifindex })] });
};
const toSmall = (maps: ProgramRunner) => {
  groups(9, 9)(maps);
  maps.set("dp_host_peers", B.id, SMALL.ifindex);
};
const longReply = (bytes: number, options?: Uint8Array) =>
  reply({ data: "x".repeat(bytes), ...(options === undefined ? {} : { tcp: { options } }) });
const segments = (it: string, bytes: number, gsoSize: number, options?: Uint8Array): Case => ({
  ...drop(it, "segments", longReply(bytes, options)),
  given: bySmall,
  run: { gsoSize, gsoSegs: Math.ceil(bytes / gsoSize) },
});
const fits = (it: string, bytes: number, gsoSize: number | undefined, options?: Uint8Array): Case => {
  const details = { data: "x".repeat(bytes), ...(options === undefined ? {} : { tcp: { options } }) };
  return {
    it: `${it}, leaves`,
    given: bySmall,
    packet: reply(details),
    ...(gsoSize === undefined ? {} : { run: { gsoSize, gsoSegs: Math.ceil(bytes / gsoSize) } }),
    verdict: "redirect",
    out: asSent(details),
    counts: outOf(A),
  };
};

table(runner, [
  fits("a packet as long as the uplink's MTU", MTU - 40, undefined),
  fits("one in segments as long as the uplink's MTU", 2 * (MTU - 40), MTU - 40),
  fits("one in segments with TCP options as long as the MTU", 2 * (MTU - 52), MTU - 52, new Uint8Array(12).fill(1)),
  fits("one in 128 segments", 128 * 20, 20),
  fits("one of 128 segments with a short last one", 127 * 20 + 1, 20),
  segments("one in segments of one byte more than the MTU", 2 * (MTU - 39), MTU - 39),
  segments("one in segments that TCP options make too long", 2 * (MTU - 40), MTU - 40, new Uint8Array(4).fill(1)),
  segments("one in segments of 9,800 bytes", 3000, 9800),
  segments("one in segments of 65,535 bytes", 1400, 65_535),
  segments("one in 129 segments", 128 * 20 + 1, 20),
  segments("one in segments of one byte", 2920, 1),
  segments("a short one in segments of one byte", 200, 1),
  { ...drop("a packet longer than the uplink's MTU", "segments", longReply(MTU - 39)), given: bySmall },
  ...[MTU - 39, 9800].map((gsoSize) =>
    drop(
      `one to a server of the group, in segments of ${gsoSize} bytes`,
      "segments",
      fromContainer(tcp({ ...toGame, flags: "PA" }, "x".repeat(3000)), { dst: B.address }),
      { given: toSmall, run: { gsoSize } },
    ),
  ),
  drop(
    "one to a server of the group, in segments of one byte",
    "segments",
    fromContainer(tcp({ ...toGame, flags: "PA" }, "x".repeat(3000)), { dst: B.address }),
    { given: toSmall, run: { gsoSize: 1 } },
  ),
]);

/** What each protocol's header takes, behind an IPv4 header with and without options. */
const HEADERS: [name: string, layer: Layer, length: number][] = [
  ["TCP", tcp(FROM_GAME), 20],
  ["UDP", udp({ src: 40000, dst: 9053 }), 8],
  ["ICMP", icmp({ type: IcmpType.echoRequest }), 8],
];

for (const [name, layer, headerLength] of HEADERS) {
  for (const options of [new Uint8Array(0), RECORD_ROUTE, MAXIMUM_OPTIONS]) {
    const dst = name === "TCP" ? PLAYER.address : A.gateway;
    const whole = ethernet(LEAVING, ipv4({ ...FROM_A, dst, options }, layer));
    const ipEnd = 34 + options.byteLength;

    test(`${name} with ${options.byteLength} bytes of IP options, cut off at any byte, is dropped`, () => {
      addFlow(runner(), { protocol: Protocol.udp, listener: 9053 });
      expect(whole.byteLength).toBe(ipEnd + headerLength);
      for (let length = 14; length < whole.byteLength; length++) {
        expect(runner().run(whole, { cutTo: length })).toEqual({
          verdict: "drop",
          packet: whole.subarray(0, length),
          // From where there is an IPv4 header on, its total length contradicts the packet's.
          counts: dropped(A.id, length < 34 ? "truncated" : "malformed")(length),
        });
      }
      const toHost = options.byteLength === 0 ? "pass" : "drop";
      expect(runner().run(whole, { cutTo: whole.byteLength }).verdict).toBe(name === "TCP" ? "redirect" : toHost);
    });

    test(`${name} with ${options.byteLength} bytes of IP options, as short as it says, is dropped`, () => {
      for (let length = 0; length < headerLength; length++) {
        const short = raw(layer.type, whole.subarray(ipEnd, ipEnd + length));
        const packet = ethernet(LEAVING, ipv4({ ...FROM_A, dst, options }, short));
        // With and without what the Ethernet adds, which belongs to no header.
        for (const frame of [packet, padded(packet, whole.byteLength + 10)]) {
          expect(runner().run(frame)).toEqual({
            verdict: "drop",
            packet: frame,
            counts: dropped(A.id, "truncated")(frame.byteLength),
          });
        }
      }
    });
  }
}
