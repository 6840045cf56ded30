/**
 * bpf/tproxy.bpf.c, rule by rule, at both ends of server A's veth pair. See runner.ts for the topology, and
 * original-destination.test.ts for what needs sockets.
 */
import { describe, expect, test } from "bun:test";
import { DpFamily, type DpFlowKey, type DpOrigin } from "@dp/bpf";
import {
  arp,
  ethernet,
  EtherType,
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
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { A, B, CONFIG, HOST_PEER_MAC, PUBLIC_ADDRESS, type Server } from "@dp/test-kit/two-servers.ts";
import fc from "fast-check";
import { monotonicNow } from "../../src/ffi/libc.ts";
import { u32, u64 } from "../../src/libbpf/index.ts";
import { runnerFor, type Case, dropped, table } from "./table.ts";

const runner = runnerFor("tproxy", { program: "dp_tproxy_container" });

const SECOND = 1_000_000_000n;
const WEB = "198.51.100.80";
const OTHER = "198.51.100.81";
const RESOLVER = "192.0.2.53";
const { httpPort: HTTP, dnsPort: DNS, tcpPort: TCP } = CONFIG;

/** Anything a container sends, in a frame and a packet of its own addresses. */
function sent(layer: Layer, ip: Partial<Ipv4Fields> = {}, server: Server = A): Uint8Array {
  return ethernet({ dst: HOST_PEER_MAC, src: server.mac }, ipv4({ src: server.address, dst: WEB, ...ip }, layer));
}

/** What the proxy sends to a container. */
function answered(layer: Layer, ip: Partial<Ipv4Fields> = {}, server: Server = A): Uint8Array {
  return ethernet(
    { dst: server.mac, src: HOST_PEER_MAC },
    ipv4({ src: server.gateway, dst: server.address, ...ip }, layer),
  );
}

const SYN: TcpFields = { src: 40000, dst: 443, flags: "S", options: SYN_OPTIONS };

const syn = (fields: Partial<TcpFields> = {}, ip: Partial<Ipv4Fields> = {}, server: Server = A) =>
  sent(tcp({ ...SYN, ...fields }), ip, server);

const back = (fields: TcpFields, server: Server = A) => answered(tcp(fields, "hello"), {}, server);

/** The way back, through the same runner. */
const toContainer = { program: "dp_tproxy_host" };

function flowOf(fields: Partial<DpFlowKey> = {}): { sport: number; listener: number } | undefined {
  const wanted = {
    server: A.id,
    dst: WEB,
    sport: 40000,
    dport: 443,
    protocol: Protocol.tcp,
    family: DpFamily.ipv4,
    ...fields,
  };
  return runner()
    .entries("dp_flows")
    .find(([key]) => Bun.deepEquals(key, wanted))?.[1];
}

type Origin = Pick<DpOrigin, "dst" | "dport" | "sport" | "listener">;

/** All flows as the proxy sees them, without what differs from run to run. */
function origins(maps: ProgramRunner = runner()): [string, Origin][] {
  return maps
    .entries("dp_origins")
    .map(([{ server, sport: port, protocol }, { dst, dport, sport, listener }]): [string, Origin] => [
      `${server}:${port}/${protocol}`,
      { dst, dport, sport, listener },
    ])
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
}

/** Gives a flow no end, as dp_sockops does when the proxy has accepted it. */
function establish(maps: ProgramRunner): void {
  for (const [key, origin] of maps.entries("dp_origins")) maps.set("dp_origins", key, { ...origin, expires: 0n });
}

/** The server's container is in another network namespace than the packets: their source is spoofed. */
const elsewhere: Partial<Case> = {
  given: (maps) => maps.writeServer(A, { netnsCookie: 1n }),
};

const next = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
  it: `${it}, is left alone`,
  packet,
  verdict: "next",
  ...more,
});

/** @param layer what is sent, and what it must become, by the ports it goes to */
function redirected(
  it: string,
  layer: (ports: { dst: number }) => Layer,
  [dst, listener]: [number, number],
  ip: Partial<Ipv4Fields> = {},
): Case {
  return {
    it: `${it}, goes to the proxy`,
    packet: sent(layer({ dst }), ip),
    verdict: "next",
    out: sent(layer({ dst: listener }), { ...ip, dst: A.gateway }),
  };
}

describe("dp_tproxy_container", () => {
  // Rule 1.
  table(runner, [
    next("IPv6", ethernet({ dst: HOST_PEER_MAC, src: A.mac }, ipv6(tcp(SYN)))),
    next(
      "ARP",
      ethernet(
        { dst: HOST_PEER_MAC, src: A.mac },
        arp({ senderMac: A.mac, senderAddress: A.address, targetAddress: A.gateway }),
      ),
    ),
    next("a tagged packet (the tag beside the frame)", syn(), { run: { tag: 100 } }),
    next(
      "a tagged packet (the tag in the frame)",
      ethernet({ dst: HOST_PEER_MAC, src: A.mac, vlans: [{ tci: 100 }] }, ipv4({ src: A.address, dst: WEB }, tcp(SYN))),
    ),
    next(
      "IPv4 under another EtherType",
      ethernet({ dst: HOST_PEER_MAC, src: A.mac, type: EtherType.arp }, ipv4({ src: A.address, dst: WEB }, tcp(SYN))),
    ),
    ...fragments(
      { dst: HOST_PEER_MAC, src: A.mac },
      { src: A.address, dst: WEB },
      tcp(SYN, "x".repeat(80)),
      [48, 96],
    ).map((packet, index) => next(`fragment ${index + 1} of 3`, packet)),
    next(
      "a first fragment of a query",
      fragments(
        { dst: HOST_PEER_MAC, src: A.mac },
        { src: A.address, dst: WEB },
        udp({ src: 40000, dst: 53 }, "x".repeat(32)),
        [16],
      )[0] as Uint8Array,
    ),
    next("an IPv4 header of version 6", syn({}, { version: 6 })),
    next("a header length below 5 words", syn({}, { ihl: 4 })),
    next("a header length beyond the total length", syn({}, { ihl: 15, totalLength: 40 })),
    next("a total length beyond the end of the packet", syn({}, { totalLength: 61 })),
    next("a total length of 0 in an ordinary packet", syn({}, { totalLength: 0 })),
    next("a total length that ends inside the TCP header", syn({}, { totalLength: 39 })),
    next("a total length that ends inside the UDP header", sent(udp({ src: 1, dst: 53 }), { totalLength: 27 })),
  ]);

  for (const [name, layer, length] of [
    ["TCP", tcp({ ...SYN, options: new Uint8Array(0) }), 20],
    ["UDP", udp({ src: 40000, dst: 53 }), 8],
  ] as const) {
    for (const options of [new Uint8Array(0), RECORD_ROUTE, MAXIMUM_OPTIONS]) {
      const whole = sent(layer, { options });
      test(`${name} with ${options.byteLength} bytes of IP options, cut off at any byte, is left alone`, () => {
        expect(whole.byteLength).toBe(34 + options.byteLength + length);
        for (let cutTo = 14; cutTo < whole.byteLength; cutTo++) {
          const expected = { verdict: "next" as const, packet: whole.subarray(0, cutTo), counts: {} };
          expect(runner().run(whole, { cutTo })).toEqual(expected);
        }
        expect(runner().entries("dp_flows")).toEqual([]);
        runner().run(whole, { cutTo: whole.byteLength });
        expect(runner().entries("dp_flows")).toHaveLength(1);
      });
    }
  }

  // Rules 2 to 6.
  table(runner, [
    next("a packet from an address no container has", syn({}, { src: "10.2.0.9" })),
    next("a packet from the host peer's address", syn({}, { src: A.gateway })),
    next("a packet from a container that was removed", syn(), {
      given: (maps) => maps.delete("dp_containers", A.address),
    }),
    next("TCP to the host peer", syn({}, { dst: A.gateway })),
    next("TCP to the proxy's own port on the host peer", syn({ dst: TCP }, { dst: A.gateway })),
    next("a query to the host peer", sent(udp({ src: 40000, dst: 53 }), { dst: A.gateway })),
    next("a connection under the address of a container that is elsewhere", syn(), elsewhere),
    next("a segment of no connection, under such an address", syn({ flags: "A" }), elsewhere),
    next("a query under the address of a container that is elsewhere", sent(udp({ src: 40000, dst: 53 })), elsewhere),
    next("TCP to another container", syn({}, { dst: B.address })),
    next("HTTP to another container", syn({ dst: 80 }, { dst: B.address })),
    next("a query to another container", sent(udp({ src: 40000, dst: 53 }), { dst: B.address })),
    next("TCP to an address of the container subnet that no container has", syn({}, { dst: "10.2.255.255" })),
    next("a reply of the container port", syn({ src: A.containerPort, flags: "SA" })),
    next("data of the container port to a player's port 80", syn({ src: A.containerPort, dst: 80, flags: "PA" })),
    next("a reset of the container port", syn({ src: A.containerPort, flags: "R" })),
    next("a connection opened from the container port", syn({ src: A.containerPort })),
    next("a connection to port 25565", syn({ dst: 25565 })),
    next("later segments to port 25565", syn({ dst: 25565, flags: "PA" })),
    next("a connection to port 25565 of a container of the group", syn({ dst: 25565 }, { dst: B.address })),
    next("UDP to port 80", sent(udp({ src: 40000, dst: 80 }))),
    next("UDP to port 443", sent(udp({ src: 40000, dst: 443 }, "QUIC"))),
    next("UDP to port 25565", sent(udp({ src: 40000, dst: 25565 }))),
    next("multicast DNS", sent(udp({ src: 5353, dst: 5353 }), { dst: "224.0.0.251" })),
    next("a ping", sent(icmp({ type: IcmpType.echoRequest }, "ping"))),
    ...([Protocol.sctp, Protocol.gre, 2, 4, 41, 0, 255] as const).map((protocol) =>
      next(`IP protocol ${protocol}`, sent(raw(protocol, "0123456789012345678901234567890123456789"))),
    ),
  ]);

  test("what is left alone begins no flow", () => {
    const packets = [syn({ src: A.containerPort }), syn({ dst: 25565 }), syn({}, { dst: A.gateway })];
    for (const packet of packets) runner().run(packet);
    expect(runner().entries("dp_flows")).toEqual([]);
    expect(runner().entries("dp_origins")).toEqual([]);
    expect(runner().get("dp_flow_counts", A.id).flows).toBe(0);
  });

  // Rule 7.
  table(
    runner,
    ["A", "PA", "FA", "R", "RA", "SA", ""].map((flags) => ({
      it: `a segment with the flags "${flags}" that continues nothing is dropped: noFlow`,
      packet: syn({ flags }),
      verdict: "drop" as const,
      counts: dropped(A.id, "noFlow"),
    })),
  );
  table(runner, [
    {
      it: "a segment of another container's connection is dropped: noFlow",
      after: [syn({}, {}, B)],
      packet: syn({ flags: "PA" }),
      verdict: "drop",
      counts: dropped(A.id, "noFlow"),
    },
    {
      it: "a segment to another address than its connection's is dropped: noFlow",
      after: [syn()],
      packet: syn({ flags: "PA" }, { dst: OTHER }),
      verdict: "drop",
      counts: dropped(A.id, "noFlow"),
    },
  ]);

  // Rule 9.
  const anyTcp = (fields: Partial<TcpFields> = {}, data = "") => {
    return ({ dst }: { dst: number }) => tcp({ ...SYN, ...fields, dst }, data);
  };
  const query =
    (data = "query") =>
    ({ dst }: { dst: number }) =>
      udp({ src: 40000, dst }, data);
  table(runner, [
    redirected("a connection to port 80", anyTcp(), [80, HTTP]),
    redirected("a connection to port 53", anyTcp(), [53, DNS]),
    ...[1, 22, 79, 81, 443, 8080, 25564, 25566, HTTP, 65535].map((port) =>
      redirected(`a connection to port ${port}`, anyTcp(), [port, TCP]),
    ),
    redirected("a connection from a low port", anyTcp({ src: 1 }), [443, TCP]),
    redirected("one that asks for ECN", anyTcp({ flags: "SEC" }), [443, TCP]),
    redirected("one with data in its SYN", anyTcp({}, "early"), [443, TCP]),
    redirected("one with IP options", anyTcp(), [443, TCP], { options: RECORD_ROUTE }),
    redirected("one with all IP options there is room for", anyTcp(), [443, TCP], { options: MAXIMUM_OPTIONS }),
    redirected("one that may not be fragmented", anyTcp(), [443, TCP], { dontFragment: true, tos: 0x10, ttl: 1 }),
    redirected("one to the public address", anyTcp(), [22, TCP], { dst: PUBLIC_ADDRESS }),
    redirected("one to a server of this host, as players see it", anyTcp(), [A.port, TCP], {
      dst: PUBLIC_ADDRESS,
    }),
    redirected("one to another host peer", anyTcp(), [TCP, TCP], { dst: B.gateway }),
    redirected("one to a private address", anyTcp(), [22, TCP], { dst: "192.168.0.1" }),
    redirected("one to the metadata service", anyTcp(), [80, HTTP], { dst: "169.254.169.254" }),
    redirected("one to loopback, if it ever leaves", anyTcp(), [80, HTTP], { dst: "127.0.0.1" }),
    redirected("a query", query(), [53, DNS], { dst: RESOLVER }),
    redirected("a query of odd length", query("odd"), [53, DNS], { dst: RESOLVER }),
    redirected("an empty query", query(""), [53, DNS], { dst: RESOLVER }),
    redirected("a query from port 53", ({ dst }) => udp({ src: 53, dst }, "query"), [53, DNS], { dst: RESOLVER }),
    redirected("a query from the container port", ({ dst }) => udp({ src: A.containerPort, dst }, "q"), [53, DNS], {
      dst: RESOLVER,
    }),
    redirected("a query with IP options", query(), [53, DNS], { dst: RESOLVER, options: RECORD_ROUTE }),
    {
      it: "the other container's go to its own host peer",
      packet: syn({}, {}, B),
      verdict: "next",
      out: syn({ dst: TCP }, { dst: B.gateway }, B),
    },
    {
      it: "what the Ethernet adds to a short packet stays behind it",
      packet: padded(sent(query("")({ dst: 53 }))),
      verdict: "next",
      out: padded(sent(query("")({ dst: DNS }), { dst: A.gateway })),
    },
    {
      it: "the segments of a connection follow it",
      after: [syn()],
      packet: sent(tcp({ src: 40000, dst: 443, flags: "PA" }, "GET /")),
      verdict: "next",
      out: sent(tcp({ src: 40000, dst: TCP, flags: "PA" }, "GET /"), { dst: A.gateway }),
    },
    {
      it: "a super-packet is redirected whole",
      after: [syn()],
      packet: sent(tcp({ src: 40000, dst: 443 }, "x".repeat(2920))),
      run: { gsoSize: 1460, gsoSegs: 2 },
      verdict: "next",
      out: sent(tcp({ src: 40000, dst: TCP }, "x".repeat(2920)), { dst: A.gateway }),
    },
    {
      it: "the proxy is where the configuration says, from the next connection on",
      given: (maps) => maps.set("dp_configs", 0, { ...CONFIG, tcpPort: 8888 }),
      packet: syn(),
      verdict: "next",
      out: syn({ dst: 8888 }, { dst: A.gateway }),
    },
    next("anything, before the host is configured", syn(), {
      given: (maps) => maps.set("dp_configs", 0, { ...CONFIG, tcpPort: 0 }),
    }),
  ]);

  // The program's packet has no sum of a device here: the kernel leaves that alone where there is no checksum.
  table(
    runner,
    [
      {
        it: "a query without a checksum still has none",
        packet: sent(udp({ src: 40000, dst: 53, checksum: 0 }, "query"), { dst: RESOLVER }),
        verdict: "next",
        out: sent(udp({ src: 40000, dst: DNS, checksum: 0 }, "query"), { dst: A.gateway }),
      },
    ],
    false,
  );

  test("a checksum that comes out as 0 is sent in its other form, which still is one", () => {
    // The two bytes of data that make the sum of the redirected datagram 0xffff.
    for (let filler = 0; ; filler++) {
      const data = Uint8Array.of(filler >> 8, filler);
      const out = sent(udp({ src: 40000, dst: DNS }, data), { dst: A.gateway });
      if (out[40] !== 0xff || out[41] !== 0xff) continue;
      const { packet } = runner().run(sent(udp({ src: 40000, dst: 53 }, data), { dst: RESOLVER }));
      expect(packet).toEqual(out);
      break;
    }
  });

  test("a wrong checksum stays wrong", () => {
    for (const layer of [tcp({ ...SYN, checksum: 0x1111 }), udp({ src: 40000, dst: 53, checksum: 0x1111 })]) {
      const { packet } = runner().run(sent(layer));
      const right = layer.type === Protocol.tcp ? tcp({ ...SYN, dst: TCP }) : udp({ src: 40000, dst: DNS });
      const expected = sent(right, { dst: A.gateway });
      const at = layer.type === Protocol.tcp ? 50 : 40;
      expect(packet.slice(at, at + 2)).not.toEqual(expected.slice(at, at + 2));
      expect(packet.slice(0, at)).toEqual(expected.slice(0, at));
    }
  });
});

describe("a flow", () => {
  test("is remembered under the server's id, its port and the protocol", () => {
    runner().run(syn());
    runner().run(sent(udp({ src: 40000, dst: 53 }), { dst: RESOLVER }));
    expect(origins()).toEqual([
      [`${A.id}:40000/17`, { dst: RESOLVER, dport: 53, sport: 40000, listener: DNS }],
      [`${A.id}:40000/6`, { dst: WEB, dport: 443, sport: 40000, listener: TCP }],
    ]);
    expect(flowOf()).toEqual({ sport: 40000, listener: TCP });
    expect(runner().get("dp_flow_counts", A.id).flows).toBe(2);
  });

  test("of one container is not another's, with the same port", () => {
    runner().run(syn({}, { dst: WEB }, A));
    runner().run(syn({}, { dst: OTHER }, B));
    expect(origins()).toEqual([
      [`${A.id}:40000/6`, { dst: WEB, dport: 443, sport: 40000, listener: TCP }],
      [`${B.id}:40000/6`, { dst: OTHER, dport: 443, sport: 40000, listener: TCP }],
    ]);
    const answer = { src: TCP, dst: 40000, flags: "SA" };
    const { packet: toA } = runner().run(back(answer, A), toContainer);
    const { packet: toB } = runner().run(back(answer, B), { ...toContainer, ifindex: B.hostPeer });
    expect(toA).toEqual(answered(tcp({ ...answer, src: 443 }, "hello"), { src: WEB }, A));
    expect(toB).toEqual(answered(tcp({ ...answer, src: 443 }, "hello"), { src: OTHER }, B));
  });

  for (const [it, dst, dport] of [
    ["another address", OTHER, 443],
    ["another port", WEB, 444],
    ["another listener", WEB, 80],
  ] as const) {
    test(`from a port in use, to ${it}, gets another port, and both work both ways`, () => {
      const listener = dport === 80 ? HTTP : TCP;
      runner().run(syn());
      const { packet, verdict } = runner().run(syn({ dst: dport }, { dst }));
      const second = flowOf({ dst, dport });
      expect(verdict).toBe("next");
      expect(second?.listener).toBe(listener);
      expect(second?.sport).toBeGreaterThanOrEqual(1024);
      expect(second?.sport).not.toBe(40000);
      const port = second?.sport as number;
      expect(packet).toEqual(syn({ src: port, dst: listener }, { dst: A.gateway }));

      const data = (fields: TcpFields, ip: Partial<Ipv4Fields>) => sent(tcp({ ...fields, flags: "PA" }, "hello"), ip);
      expect(runner().run(data({ src: 40000, dst: 443 }, {})).packet).toEqual(
        data({ src: 40000, dst: TCP }, { dst: A.gateway }),
      );
      expect(runner().run(data({ src: 40000, dst: dport }, { dst })).packet).toEqual(
        data({ src: port, dst: listener }, { dst: A.gateway }),
      );
      expect(runner().run(back({ src: TCP, dst: 40000 }), toContainer).packet).toEqual(
        answered(tcp({ src: 443, dst: 40000 }, "hello"), { src: WEB }),
      );
      expect(runner().run(back({ src: listener, dst: port }), toContainer).packet).toEqual(
        answered(tcp({ src: dport, dst: 40000 }, "hello"), { src: dst }),
      );
      expect(runner().get("dp_flow_counts", A.id).flows).toBe(2);
    });
  }

  test("of queries from one socket to two resolvers: each answer is from the one that was asked", () => {
    const ask = (dst: string) => sent(udp({ src: 40000, dst: 53 }, "query"), { dst });
    for (const dst of [RESOLVER, OTHER]) runner().run(ask(dst));
    for (const dst of [RESOLVER, OTHER]) {
      const port = flowOf({ dst, dport: 53, protocol: Protocol.udp })?.sport as number;
      const { packet } = runner().run(answered(udp({ src: DNS, dst: port }, "answer")), toContainer);
      expect(packet).toEqual(answered(udp({ src: 53, dst: 40000 }, "answer"), { src: dst }));
    }
  });

  test("that exists is not written to by its packets, in either direction", () => {
    runner().run(syn());
    const opening = contents();
    runner().run(syn());
    runner().run(sent(tcp({ ...SYN, flags: "A" })));
    runner().run(sent(tcp({ ...SYN, flags: "FA" })));
    runner().run(sent(tcp({ ...SYN, flags: "R" })));
    runner().run(back({ src: TCP, dst: 40000 }), toContainer);
    expect(contents()).toEqual(opening);
    establish(runner());
    const established = contents();
    runner().run(syn());
    runner().run(sent(tcp({ ...SYN, flags: "PA" }, "hello")));
    for (const flags of ["A", "PA", "FA", "R"]) runner().run(back({ src: TCP, dst: 40000, flags }), toContainer);
    expect(contents()).toEqual(established);

    function contents(): string[][] {
      return (["dp_flows", "dp_origins", "dp_flow_counts"] as const).map((name) => runner().bytes(name));
    }
  });

  test("that is opening ends with the proxy's reset: no process listens", () => {
    runner().run(syn());
    const reset = answered(tcp({ src: TCP, dst: 40000, flags: "RA" }));
    const { packet } = runner().run(reset, toContainer);
    expect(packet).toEqual(answered(tcp({ src: 443, dst: 40000, flags: "RA" }), { src: WEB }));
    expect(runner().entries("dp_flows")).toEqual([]);
    expect(runner().entries("dp_origins")).toEqual([]);
    expect(runner().get("dp_flow_counts", A.id).flows).toBe(0);
    expect(runner().run(reset, toContainer).packet).toEqual(reset);
  });

  test("that is opening does not end with a reset from elsewhere", () => {
    runner().run(syn());
    const reset = answered(tcp({ src: TCP, dst: 40000, flags: "RA" }), { src: OTHER });
    expect(runner().run(reset, toContainer).packet).toEqual(reset);
    expect(origins()).toHaveLength(1);
  });

  test("keeps the listener it began with, until it is opened again", () => {
    runner().run(syn());
    runner().set("dp_configs", 0, { ...CONFIG, tcpPort: 8888 });
    const data = sent(tcp({ ...SYN, flags: "PA" }, "hello"));
    const onTheWay = sent(tcp({ ...SYN, flags: "PA", dst: TCP }, "hello"), { dst: A.gateway });
    expect(runner().run(data).packet).toEqual(onTheWay);
    expect(runner().run(syn()).packet).toEqual(syn({ dst: 8888 }, { dst: A.gateway }));
    expect(origins()).toEqual([[`${A.id}:40000/6`, { dst: WEB, dport: 443, sport: 40000, listener: 8888 }]]);
    expect(runner().get("dp_flow_counts", A.id).flows).toBe(1);
    establish(runner());
    runner().set("dp_configs", 0, CONFIG);
    expect(runner().run(syn()).packet).toEqual(syn({ dst: 8888 }, { dst: A.gateway }));
  });

  test("of datagrams moves with the proxy at once", () => {
    const ask = (dst: number, to: string) => sent(udp({ src: 40000, dst }, "query"), { dst: to });
    runner().run(ask(53, RESOLVER));
    runner().set("dp_configs", 0, { ...CONFIG, dnsPort: 8853 });
    expect(runner().run(ask(53, RESOLVER)).packet).toEqual(ask(8853, A.gateway));
    expect(runner().get("dp_flow_counts", A.id).flows).toBe(1);
  });

  test("half of which is left is begun anew", () => {
    runner().run(syn());
    runner().clear("dp_origins");
    runner().run(syn());
    expect(origins()).toHaveLength(1);
    expect(runner().entries("dp_flows")).toHaveLength(1);
  });

  test("whose port another one has by now is begun anew, with another port", () => {
    runner().run(syn());
    runner().clear("dp_origins");
    runner().run(syn({}, { dst: OTHER }));
    runner().run(syn());
    const port = flowOf()?.sport as number;
    expect(port).not.toBe(40000);
    expect(new Map(origins())).toEqual(
      new Map([
        [`${A.id}:40000/6`, { dst: OTHER, dport: 443, sport: 40000, listener: TCP }],
        [`${A.id}:${port}/6`, { dst: WEB, dport: 443, sport: 40000, listener: TCP }],
      ]),
    );
  });

  test("goes on when what an earlier one left under another port goes", () => {
    runner().run(syn());
    runner().clear("dp_flows");
    runner().run(syn());
    const port = flowOf()?.sport as number;
    expect(port).not.toBe(40000);
    runner().run(answered(tcp({ src: TCP, dst: 40000, flags: "RA" })), toContainer);
    expect(origins().map(([key]) => key)).toEqual([`${A.id}:${port}/6`]);
    const data = (src: number, dst: number, to: string) => sent(tcp({ src, dst, flags: "PA" }, "hello"), { dst: to });
    expect(runner().run(data(40000, 443, WEB)).packet).toEqual(data(port, TCP, A.gateway));
  });

  test("gets no port when all are taken: dropped, and nothing is left of it", () => {
    const origin = { dst: OTHER, dport: 1, sport: 1, listener: TCP, end: 0, expires: 0n };
    for (let sport = 0; sport < 65536; sport++) {
      runner().set("dp_origins", { server: A.id, sport, protocol: Protocol.tcp, family: DpFamily.ipv4 }, origin);
    }
    expect(runner().run(syn())).toEqual({
      verdict: "drop",
      packet: syn(),
      counts: { [`${A.id} drop flows`]: 1 },
    });
    expect(runner().entries("dp_flows")).toEqual([]);
    expect(runner().get("dp_flow_counts", A.id).flows).toBe(0);
    expect(runner().run(syn({}, {}, B)).verdict).toBe("next");
  });

  test("is not opened while flows are held; those there are go on; a hold ends by itself", () => {
    runner().run(syn());
    const flows = () =>
      runner()
        .entries("dp_origins")
        .map(([key]) => key);
    const before = flows();
    const now = monotonicNow();
    runner().set("dp_configs", 0, { ...CONFIG, heldUntil: now + 3_600_000_000_000n });
    const other = sent(tcp({ src: 40001, dst: 443, flags: "S" }), { dst: WEB });
    expect(runner().run(other)).toEqual({ verdict: "next", packet: other, counts: {} });
    expect(runner().run(syn()).verdict).toBe("next");
    expect(flows()).toEqual(before);
    runner().set("dp_configs", 0, { ...CONFIG, heldUntil: now });
    expect(runner().run(other).packet).not.toEqual(other);
    expect(flows()).toHaveLength(2);
  });

  test("of any kind there and back is what it was", () => {
    const port = fc.integer({ min: 1, max: 65535 });
    const octet = fc.integer({ min: 0, max: 255 });
    const any = fc.record({
      dst: fc.tuple(fc.integer({ min: 11, max: 223 }), octet, octet, octet).map((octets) => octets.join(".")),
      src: port.filter((number) => number !== A.containerPort),
      dport: port.filter((number) => number !== 25565),
      tcp: fc.boolean(),
      data: fc.uint8Array({ maxLength: 64 }),
      options: fc.integer({ min: 0, max: 10 }).map((words) => new Uint8Array(words * 4).fill(1)),
    });
    fc.assert(
      fc.property(any, ({ dst, src, dport, tcp: isTcp, data, options }) => {
        const to = isTcp ? dport : 53;
        const layer = (from: number, into: number, flags: string) =>
          isTcp ? tcp({ src: from, dst: into, flags }, data) : udp({ src: from, dst: into }, data);
        const { packet } = runner().run(sent(layer(src, to, "S"), { dst, options }));
        const flow = flowOf({ dst, sport: src, dport: to, protocol: isTcp ? Protocol.tcp : Protocol.udp });
        const { sport = 0, listener = 0 } = flow ?? {};
        expect(packet).toEqual(sent(layer(sport, listener, "S"), { dst: A.gateway, options }));
        const answer = runner().run(answered(layer(listener, sport, "SA"), { options }), toContainer);
        expect(answer.packet).toEqual(answered(layer(to, src, "SA"), { src: dst, options }));
      }),
      { numRuns: 300 },
    );
  });
});

describe("dp_tproxy_host", () => {
  const opened = { after: [syn(), sent(udp({ src: 40001, dst: 53 }), { dst: RESOLVER })], run: toContainer };

  table(runner, [
    {
      it: "an answer of the proxy is from where the container thinks it talks to",
      ...opened,
      packet: back({ src: TCP, dst: 40000, flags: "SA", options: SYN_OPTIONS }),
      verdict: "next",
      out: answered(tcp({ src: 443, dst: 40000, flags: "SA", options: SYN_OPTIONS }, "hello"), { src: WEB }),
    },
    {
      it: "so is a datagram",
      ...opened,
      packet: answered(udp({ src: DNS, dst: 40001 }, "answer")),
      verdict: "next",
      out: answered(udp({ src: 53, dst: 40001 }, "answer"), { src: RESOLVER }),
    },
    {
      it: "so is one with IP options",
      ...opened,
      packet: answered(tcp({ src: TCP, dst: 40000 }, "hello"), { options: RECORD_ROUTE }),
      verdict: "next",
      out: answered(tcp({ src: 443, dst: 40000 }, "hello"), { src: WEB, options: RECORD_ROUTE }),
    },
    {
      it: "so is a super-packet",
      ...opened,
      run: { ...toContainer, gsoSize: 1460, gsoSegs: 2 },
      packet: answered(tcp({ src: TCP, dst: 40000 }, "x".repeat(2920))),
      verdict: "next",
      out: answered(tcp({ src: 443, dst: 40000 }, "x".repeat(2920)), { src: WEB }),
    },
    next(
      "a player's packet to the container port",
      answered(tcp({ src: 50000, dst: A.containerPort }), { src: OTHER }),
      opened,
    ),
    next("a packet from another port of the host", back({ src: 22, dst: 40000 }), opened),
    next("one from another of the proxy's ports", back({ src: HTTP, dst: 40000 }), opened),
    next("one of no flow", back({ src: TCP, dst: 40002 }), opened),
    next("one from another address with a listener's port", answered(tcp({ src: TCP, dst: 40000 }), { src: OTHER }), {
      ...opened,
    }),
    next("a datagram from such an address", answered(udp({ src: DNS, dst: 40001 }, "answer"), { src: OTHER }), opened),
    next("one of the other protocol's flow", answered(udp({ src: TCP, dst: 40000 })), opened),
    next("a datagram of a connection's port", answered(udp({ src: DNS, dst: 40000 })), opened),
    next("one to another container", back({ src: TCP, dst: 40000 }, B), opened),
    next("a ping", answered(icmp({ type: IcmpType.echoReply })), opened),
    next("IPv6", ethernet({ dst: A.mac, src: HOST_PEER_MAC }, ipv6(tcp({ src: TCP, dst: 40000 }))), opened),
    next("a malformed packet", answered(tcp({ src: TCP, dst: 40000 }), { ihl: 4 }), opened),
  ]);

  interface Said {
    type?: number;
    /** Of the packet that says it. */
    ip?: Partial<Ipv4Fields>;
    /** Of the one it is about. */
    quotedIp?: Partial<Ipv4Fields>;
    /** How many bytes of that are quoted, behind its header. Default: all. */
    quotes?: number;
  }

  /** What the host says of a packet. */
  function said(layer: Layer, { type = IcmpType.unreachable, ip, quotedIp, quotes }: Said = {}): Uint8Array {
    const about = { src: A.address, dst: A.gateway, ...quotedIp };
    const quoted = ethernet({ dst: HOST_PEER_MAC, src: A.mac }, ipv4(about, layer)).subarray(14);
    const header = 20 + (about.options?.byteLength ?? 0);
    const rest = quoted.subarray(0, quotes === undefined ? undefined : header + quotes);
    return answered(icmp({ type, code: 3, rest: 0 }, rest), ip);
  }

  const QUERY = "question";
  const refusal = (details?: Said) => said(udp({ src: 40001, dst: DNS }, QUERY), details);
  const fromResolver = { ip: { src: RESOLVER }, quotedIp: { dst: RESOLVER } };

  table(runner, [
    {
      it: "a refused datagram's error comes from the original destination, about the packet as the container sent it",
      ...opened,
      packet: refusal(),
      verdict: "next",
      out: said(udp({ src: 40001, dst: 53 }, QUERY), fromResolver),
    },
    {
      it: "so is a firewall's refusal of a connection",
      ...opened,
      packet: said(tcp({ src: 40000, dst: TCP, flags: "S" })),
      verdict: "next",
      out: said(tcp({ src: 40000, dst: 443, flags: "S" }), { ip: { src: WEB }, quotedIp: { dst: WEB } }),
    },
    {
      it: "so is one with IP options, about one with IP options",
      ...opened,
      packet: refusal({ ip: { options: RECORD_ROUTE }, quotedIp: { options: RECORD_ROUTE } }),
      verdict: "next",
      out: said(udp({ src: 40001, dst: 53 }, QUERY), {
        ip: { src: RESOLVER, options: RECORD_ROUTE },
        quotedIp: { dst: RESOLVER, options: RECORD_ROUTE },
      }),
    },
    next("an error from another address", refusal({ ip: { src: OTHER } }), opened),
    next("one about what went to another address", refusal({ quotedIp: { dst: "10.1.0.9" } }), opened),
    next(
      "one in another address's name, about what went there",
      refusal({ ip: { src: OTHER }, quotedIp: { dst: OTHER } }),
      opened,
    ),
    next("one about another container's packet", refusal({ quotedIp: { src: B.address } }), opened),
    next("one about a packet to another port of the host", said(udp({ src: 40001, dst: 22 })), opened),
    next("one about a packet of no flow", said(udp({ src: 40002, dst: DNS })), opened),
    next("one about the other protocol's flow", said(udp({ src: 40000, dst: TCP })), opened),
    next("one about a ping", said(icmp({ type: IcmpType.echoRequest })), opened),
    next("one that quotes too little", refusal({ quotes: 7 }), opened),
    next("an echo that looks like it", refusal({ type: IcmpType.echoReply }), opened),
    next("a redirect", refusal({ type: IcmpType.redirect }), opened),
  ]);

  test.each([
    ["of which no more than the ports are quoted", { quotes: 8 }],
    ["of which the checksum is not quoted", { quotes: 16 }],
    ["of which all is quoted up to the checksum", { quotes: 18 }],
  ])("a refused connection %s is known again", (_, { quotes }) => {
    for (const packet of opened.after) runner().run(packet);
    const got = runner().run(said(tcp({ src: 40000, dst: TCP, flags: "S" }), { quotes }), toContainer).packet;
    const whole = tcp({ src: 40000, dst: 443, flags: "S" });
    expect(got).toEqual(said(whole, { quotes, ip: { src: WEB }, quotedIp: { dst: WEB } }));
  });

  test("a refused datagram without a checksum still has none", () => {
    for (const packet of opened.after) runner().run(packet);
    const query = (dst: number) => udp({ src: 40001, dst, checksum: 0 }, QUERY);
    expect(runner().run(said(query(DNS)), toContainer).packet).toEqual(said(query(53), fromResolver));
  });

  test("of a flow with another port, a refusal is about the port that the container has", () => {
    for (const packet of opened.after) runner().run(packet);
    runner().run(sent(udp({ src: 40001, dst: 53 }, QUERY), { dst: OTHER }));
    const seenAs = flowOf({ dst: OTHER, sport: 40001, dport: 53, protocol: Protocol.udp })?.sport as number;
    expect(seenAs).not.toBe(40001);
    const got = runner().run(said(udp({ src: seenAs, dst: DNS }, QUERY)), toContainer).packet;
    const known = udp({ src: 40001, dst: 53 }, QUERY);
    expect(got).toEqual(said(known, { ip: { src: OTHER }, quotedIp: { dst: OTHER } }));
  });

  const inFragments = (from: string, ports: { src: number; dst: number; checksum?: number }, id: number) =>
    fragments(
      { dst: A.mac, src: HOST_PEER_MAC },
      { src: from, dst: A.address, id },
      udp(ports, "x".repeat(64)),
      [24, 48],
    );

  /** What comes out of each, one after the other. */
  const passed = (packets: readonly Uint8Array[]) => packets.map((packet) => runner().run(packet, toContainer).packet);

  test("an answer in fragments is from where the container thinks it talks to, all of it", () => {
    for (const packet of opened.after) runner().run(packet);
    const answer = inFragments(A.gateway, { src: DNS, dst: 40001 }, 7);
    expect(passed(answer)).toEqual(inFragments(RESOLVER, { src: 53, dst: 40001 }, 7));
    // The first may be late: then the others have been seen before.
    const [first, ...others] = inFragments(A.gateway, { src: DNS, dst: 40001 }, 8);
    expect(passed(others)).toEqual(others);
    const silent = inFragments(A.gateway, { src: DNS, dst: 40001, checksum: 0 }, 9);
    expect(passed(silent)).toEqual(inFragments(RESOLVER, { src: 53, dst: 40001, checksum: 0 }, 9));
    expect(passed([first as Uint8Array, ...others])).toEqual(inFragments(RESOLVER, { src: 53, dst: 40001 }, 8));
  });

  test("fragments of what is no answer are left alone, also under the id of an answer", () => {
    for (const packet of opened.after) runner().run(packet);
    runner().run(inFragments(A.gateway, { src: DNS, dst: 40001 }, 7)[0] as Uint8Array, toContainer);
    const other = inFragments(A.gateway, { src: 5000, dst: 40001 }, 7);
    expect(passed(other)).toEqual(other);
    runner().run(inFragments(A.gateway, { src: DNS, dst: 40001 }, 7)[0] as Uint8Array, toContainer);
    const [, ...ping] = fragments(
      { dst: A.mac, src: HOST_PEER_MAC },
      { src: A.gateway, dst: A.address, id: 7 },
      icmp({ type: IcmpType.echoReply }, "x".repeat(64)),
      [24, 48],
    );
    expect(passed(ping)).toEqual(ping);
    const connection = fragments(
      { dst: A.mac, src: HOST_PEER_MAC },
      { src: A.gateway, dst: A.address, id: 8 },
      tcp({ src: TCP, dst: 40000 }, "x".repeat(64)),
      [24, 48],
    );
    expect(passed(connection).slice(1)).toEqual(connection.slice(1));
  });

  table(
    runner,
    [
      {
        it: "a datagram without a checksum still has none",
        ...opened,
        packet: answered(udp({ src: DNS, dst: 40001, checksum: 0 }, "answer")),
        verdict: "next",
        out: answered(udp({ src: 53, dst: 40001, checksum: 0 }, "answer"), { src: RESOLVER }),
      },
    ],
    false,
  );

  for (const [name, layer] of [
    ["TCP", tcp({ src: TCP, dst: 40000 })],
    ["UDP", udp({ src: DNS, dst: 40001 })],
  ] as const) {
    test(`${name}, cut off at any byte, is left alone`, () => {
      for (const packet of opened.after) runner().run(packet);
      const whole = answered(layer, { options: RECORD_ROUTE });
      for (let cutTo = 14; cutTo < whole.byteLength; cutTo++) {
        expect(runner().run(whole, { ...toContainer, cutTo }).packet).toEqual(whole.subarray(0, cutTo));
      }
      expect(runner().run(whole, { ...toContainer, cutTo: whole.byteLength }).packet).not.toEqual(whole);
    });
  }
});

describe("with room for two flows in a container", () => {
  const small = runnerFor("tproxy", {
    program: "dp_tproxy_container",
    prepare(object) {
      object.setVariable("dp_reserved_flows", u32, 1);
      object.setVariable("dp_max_flows", u32, 2);
    },
  });

  // Rule 8.
  table(small, [
    {
      it: "a third is dropped: flows",
      after: [syn(), syn({ src: 40001 })],
      packet: syn({ src: 40002 }),
      verdict: "drop",
      counts: dropped(A.id, "flows"),
    },
    {
      it: "a third, of datagrams, is dropped: flows",
      after: [syn(), syn({ src: 40001 })],
      packet: sent(udp({ src: 40002, dst: 53 })),
      verdict: "drop",
      counts: dropped(A.id, "flows"),
    },
    {
      it: "those there are go on",
      after: [syn(), syn({ src: 40001 }), syn({ src: 40002 })],
      packet: syn({ flags: "A" }),
      verdict: "next",
      out: syn({ flags: "A", dst: TCP }, { dst: A.gateway }),
    },
    {
      it: "another container is not concerned",
      after: [syn(), syn({ src: 40001 }), syn({ src: 40002 })],
      packet: syn({}, {}, B),
      verdict: "next",
      out: syn({ dst: TCP }, { dst: B.gateway }, B),
    },
    {
      it: "a count that went below 0 is no limit",
      given: (maps) => maps.set("dp_flow_counts", A.id, { flows: -1 }),
      packet: syn(),
      verdict: "next",
      out: syn({ dst: TCP }, { dst: A.gateway }),
    },
  ]);

  test("one that ends makes room", () => {
    small().run(syn());
    small().run(syn({ src: 40001 }));
    expect(small().run(syn({ src: 40002 })).verdict).toBe("drop");
    small().run(answered(tcp({ src: TCP, dst: 40001, flags: "RA" })), toContainer);
    expect(small().run(syn({ src: 40002 })).verdict).toBe("next");
  });
});

describe("with two flows for each container, and eight for all beyond that", () => {
  const sharing = runnerFor("tproxy", {
    program: "dp_tproxy_container",
    prepare(object) {
      object.setVariable("dp_reserved_flows", u32, 2);
      object.setVariable("dp_shared_flows", u32, 8);
    },
  });
  const opens = (server: Server, count: number) =>
    Array.from({ length: count }, (_, index) => sharing().run(syn({ src: 40000 + index }, {}, server)).verdict);
  const taken = () => [0, A.id, B.id].map((id) => sharing().get("dp_flow_counts", id).flows);

  // Rule 8.
  test("one gets a quarter of what is left beyond its own, and the other still its own and a part", () => {
    // Beyond its own: 0 * 4 < 8 - 0, 1 * 4 < 8 - 1, and not 2 * 4 < 8 - 2.
    expect(opens(A, 6)).toEqual(["next", "next", "next", "next", "drop", "drop"]);
    expect(taken()).toEqual([2, 4, 0]);
    expect(opens(B, 5)).toEqual(["next", "next", "next", "next", "drop"]);
    expect(taken()).toEqual([4, 4, 4]);
  });

  test("what ends is given back, first what was shared", () => {
    opens(A, 4);
    for (const [index, left] of [
      [0, [1, 3, 0]],
      [1, [0, 2, 0]],
      [2, [0, 1, 0]],
      [3, [0, 0, 0]],
    ] as const) {
      sharing().run(answered(tcp({ src: TCP, dst: 40000 + index, flags: "RA" })), toContainer);
      expect(taken()).toEqual([...left]);
    }
    expect(opens(A, 5)).toEqual(["next", "next", "next", "next", "drop"]);
  });
});

describe("with room for two flows in all containers together", () => {
  const full = runnerFor("tproxy", {
    program: "dp_tproxy_container",
    prepare: (object) => object.map("dp_flows").setMaxEntries(2),
  });

  test("a third is dropped, leaves nothing behind, and is not counted as one", () => {
    for (const src of [40000, 40001]) full().run(syn({ src }));
    for (const src of [40002, 40003]) {
      expect(full().run(syn({ src })).counts).toEqual({ [`${A.id} drop flows`]: 1 });
    }
    expect(origins(full()).map(([key]) => key)).toEqual([`${A.id}:40000/6`, `${A.id}:40001/6`]);
    expect(full().get("dp_flow_counts", A.id).flows).toBe(2);
  });
});

describe("with short lives", () => {
  const MILLISECOND = SECOND / 1000n;
  const brief = runnerFor("tproxy", {
    program: "dp_tproxy_container",
    prepare(object) {
      object.setVariable("dp_opening_ns", u64, 1500n * MILLISECOND);
      object.setVariable("dp_udp_ns", u64, 1500n * MILLISECOND);
      object.setVariable("dp_sweep_ns", u64, 50n * MILLISECOND);
    },
  });
  const expiry = () => brief().entries("dp_origins")[0]?.[1].expires;
  const ask = () => brief().run(sent(udp({ src: 40000, dst: 53 }), { dst: RESOLVER }));

  test("a connection that no process accepts is forgotten, both halves", async () => {
    brief().run(syn());
    expect(brief().entries("dp_flows")).toHaveLength(1);
    await Bun.sleep(1700);
    expect(brief().entries("dp_flows")).toEqual([]);
    expect(brief().entries("dp_origins")).toEqual([]);
    expect(brief().get("dp_flow_counts", A.id).flows).toBe(0);
  });

  test("datagrams keep their flow, which is written at most once a second", async () => {
    ask();
    const first = expiry();
    await Bun.sleep(500);
    ask();
    expect(expiry()).toBe(first as bigint);
    await Bun.sleep(700);
    ask();
    expect(expiry()).toBeGreaterThan(first as bigint);
    await Bun.sleep(800);
    expect(brief().entries("dp_flows")).toHaveLength(1);
    await Bun.sleep(1000);
    expect(brief().entries("dp_flows")).toEqual([]);
    expect(brief().entries("dp_origins")).toEqual([]);
  });

  test("two thousand are all forgotten, whether or not the kernel had memory for their timers", async () => {
    for (let src = 1; src <= 2000; src++) expect(brief().run(syn({ src })).verdict).toBe("next");
    while (brief().entries("dp_origins").length > 0) await Bun.sleep(50);
    expect(brief().entries("dp_flows")).toEqual([]);
    expect(brief().get("dp_flow_counts", A.id).flows).toBe(0);
  }, 60_000);

  test("an established connection has no end", async () => {
    brief().run(syn());
    establish(brief());
    await Bun.sleep(1700);
    expect(brief().entries("dp_flows")).toHaveLength(1);
  });
});
