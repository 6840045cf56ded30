/**
 * Servers with several forwards, at every program that reads them. Server A has, with a counter for each:
 *
 *     203.0.113.10   25570        → 25565    its own
 *     203.0.113.10   30000-30009  → 20000-20009
 *     203.0.113.11   25570        → 25566    by another uplink
 *     203.0.113.10   25599 (UDP)  → 25599
 *     2001:db8::10   25590        → 25590
 *
 * Only TCP over IPv4 is forwarded: the other two are never found.
 */
import { describe, expect, test } from "bun:test";
import { DpFamily } from "@dp/bpf";
import {
  ethernet,
  fragments,
  icmp,
  IcmpType,
  ipv4,
  ipv6,
  type Layer,
  Protocol,
  tcp,
  type TcpFields,
  udp,
} from "@dp/test-kit/frame.ts";
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { A, B, CONFIG, HOST_PEER_MAC, PUBLIC_ADDRESS, STRANGER, UPLINK } from "@dp/test-kit/two-servers.ts";
import { endpointKey, type Forward, forwardOf, type ServerDetails } from "@dp/test-kit/write-server.ts";
import { type Case, dropped, into, outOf, runnerFor, table } from "./table.ts";

const PLAYER = { address: "198.51.100.7", port: 40000 };
const OTHER_ADDRESS = "203.0.113.11";

const OWN = forwardOf(A);
const RANGE = forwardOf(A, { port: 30000, count: 10, containerPort: 20000, counter: 20 });
const ELSEWHERE = forwardOf(A, {
  address: OTHER_ADDRESS,
  containerPort: 25566,
  counter: 21,
  uplink: STRANGER.index,
});
const DATAGRAMS = forwardOf(A, { protocol: Protocol.udp, port: 25599, containerPort: 25599, counter: 22 });
const IPV6 = forwardOf(A, {
  address: "2001:db8::10",
  family: DpFamily.ipv6,
  port: 25590,
  containerPort: 25590,
  counter: 23,
});
const FORWARDS = [OWN, RANGE, ELSEWHERE, DATAGRAMS, IPV6];

/** Server A with its forwards, and both uplinks. */
function withForwards(details: ServerDetails = { forwards: FORWARDS }): (maps: ProgramRunner) => void {
  return (maps) => {
    maps.writeServer(A, details);
    if (maps.has("dp_uplinks")) maps.set("dp_uplinks", STRANGER.index, STRANGER.index);
  };
}

/** A TCP packet's two ends: the public endpoint and the container endpoint that it stands for. */
interface Ends {
  readonly it: string;
  readonly forward: Forward;
  readonly port: number;
  readonly containerPort: number;
}

/** One port of a forward, counted from its first. */
const at = (forward: Forward, index: number, it: string): Ends => ({
  it,
  forward,
  port: forward.port + index,
  containerPort: forward.containerPort + index,
});

const ENDS: readonly Ends[] = [
  at(OWN, 0, "the first forward"),
  at(RANGE, 0, "the first port of a range"),
  at(RANGE, 5, "a port inside a range"),
  at(RANGE, 9, "the last port of a range"),
  at(ELSEWHERE, 0, "a forward of another public address"),
];

/** Ports that are beside a forward, or a forward's of another protocol or family. */
const BESIDE: readonly Ends[] = [
  at(RANGE, -1, "the port before a range"),
  at(RANGE, 10, "the port behind a range"),
  at(ELSEWHERE, 1, "the port behind the other address's"),
  at(DATAGRAMS, 0, "a forward of UDP"),
  at({ ...IPV6, address: PUBLIC_ADDRESS }, 0, "a forward of IPv6"),
  at(OWN, 65536 - 25565, "port 0"),
];

/** Every place in the list is used: ports 31000 to 31031. */
const ALL_PLACES = Array.from({ length: 32 }, (_, index) =>
  forwardOf(A, { port: 31000 + index, containerPort: 32000 + index, counter: 24 + index }),
);

const ARRIVING = { dst: UPLINK.mac, src: "02:bb:00:00:00:01" };
const LEAVING = { dst: HOST_PEER_MAC, src: A.mac };

function arriving(address: string, dst: number, fields: Partial<TcpFields> = {}): Uint8Array {
  const segment = tcp({ src: PLAYER.port, dst: dst % 65536, ...fields }, "hello");
  return ethernet(ARRIVING, ipv4({ src: PLAYER.address, dst: address }, segment));
}

function delivered(dst: number, fields: Partial<TcpFields> = {}): Uint8Array {
  const segment = tcp({ src: PLAYER.port, dst, ...fields }, "hello");
  return ethernet({ ...ARRIVING, dst: A.mac }, ipv4({ src: PLAYER.address, dst: A.address }, segment));
}

/** A reply of the container. */
function leaving(src: number, fields: Partial<TcpFields> = {}): Uint8Array {
  const segment = tcp({ src: src % 65536, dst: PLAYER.port, flags: "PA", ...fields }, "hello");
  return ethernet(LEAVING, ipv4({ src: A.address, dst: PLAYER.address }, segment));
}

function sent(address: string, src: number): Uint8Array {
  const segment = tcp({ src, dst: PLAYER.port, flags: "PA" }, "hello");
  return ethernet(LEAVING, ipv4({ src: address, dst: PLAYER.address }, segment));
}

describe("at the uplink", () => {
  const runner = runnerFor("dnat");

  const next = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
    it: `${it} is left to the host`,
    given: withForwards(),
    packet,
    verdict: "next",
    ...more,
  });

  table(runner, [
    ...ENDS.map(({ it, forward, port, containerPort }) => ({
      it: `a packet to ${it} goes to its container port, counted for that forward`,
      given: withForwards(),
      packet: arriving(forward.address, port),
      verdict: "redirect" as const,
      out: delivered(containerPort),
      counts: into(forward),
    })),
    ...BESIDE.map(({ it, forward, port }) => next(`a packet to ${it}`, arriving(forward.address, port))),
    ...ENDS.map(({ it, forward, port }) => {
      const other = forward.address === OTHER_ADDRESS ? "203.0.113.12" : OTHER_ADDRESS;
      return next(`a packet to the port of ${it}, of another address,`, arriving(other, port), {
        given: withForwards({ forwards: [OWN, RANGE, { ...ELSEWHERE, port: 1 }] }),
      });
    }),
    ...ENDS.map(({ it, containerPort }) =>
      next(`a packet to the container endpoint of ${it}`, arriving(A.address, containerPort)),
    ),
    ...[0, 1, 15, 30, 31].map((index) => ({
      it: `of 32 forwards, number ${index + 1} leads to its container port`,
      given: withForwards({ forwards: ALL_PLACES }),
      packet: arriving(PUBLIC_ADDRESS, 31000 + index),
      verdict: "redirect" as const,
      out: delivered(32000 + index),
      counts: into({ counter: 24 + index }),
    })),
    next(
      "UDP to a forward of UDP",
      ethernet(ARRIVING, ipv4({ src: PLAYER.address, dst: PUBLIC_ADDRESS }, udp({ src: 1, dst: 25599 }))),
    ),
    next(
      "TCP over IPv6 to a forward of IPv6",
      ethernet(ARRIVING, ipv6(tcp({ src: 1, dst: 25590 }), { dst: "2001:db8::10" })),
    ),
  ]);

  describe("closed endpoints", () => {
    const closed = withForwards({ forwards: FORWARDS, open: 0 });

    table(runner, [
      ...ENDS.map(({ it, forward, port }) =>
        next(`a packet to ${it}, which is closed,`, arriving(forward.address, port), { given: closed }),
      ),
      next("a SYN to a closed endpoint", arriving(PUBLIC_ADDRESS, A.port, { flags: "S" }), { given: closed }),
      next(
        "an ICMP error about a packet of a closed endpoint",
        ethernet(
          ARRIVING,
          ipv4({ src: "192.0.2.254", dst: PUBLIC_ADDRESS }, unreachable(aboutReply(PUBLIC_ADDRESS, A.port))),
        ),
        { given: closed },
      ),
      {
        it: "one endpoint is closed, another one is not",
        given: (maps) => {
          withForwards()(maps);
          maps.set("dp_endpoints", endpointKey(A), { ...maps.get("dp_endpoints", endpointKey(A)), open: 0 });
        },
        after: [arriving(PUBLIC_ADDRESS, A.port)],
        packet: arriving(PUBLIC_ADDRESS, 30000),
        verdict: "redirect",
        out: delivered(20000),
        counts: into(RANGE),
      },
    ]);

    test("a closed endpoint makes no address a player, and later fragments do not go there", () => {
      closed(runner());
      // The table has the players of the tests before this one.
      using empty = runner().playerTables().createInner();
      runner().playerTables().set(A.id, empty);
      const whole = { src: PLAYER.address, dst: PUBLIC_ADDRESS, id: 77 };
      const pieces = fragments(ARRIVING, whole, tcp({ src: PLAYER.port, dst: A.port }, "x".repeat(100)), [40, 80]);
      for (const piece of pieces) expect(runner().run(piece)).toEqual({ verdict: "next", packet: piece, counts: {} });
      expect(
        runner()
          .entries("dp_fragments")
          .map(([, { server }]) => server),
      ).toEqual([0]);
      expect(empty.get(0)?.filter((step) => step !== 0)).toEqual([]);
    });

    test("an endpoint that is closed between two fragments gets no more of them", () => {
      withForwards()(runner());
      const whole = { src: PLAYER.address, dst: PUBLIC_ADDRESS, id: 78 };
      const [first, second] = fragments(
        ARRIVING,
        whole,
        tcp({ src: PLAYER.port, dst: A.port }, "x".repeat(100)),
        [40],
      ) as [Uint8Array, Uint8Array];
      expect(runner().run(first).verdict).toBe("redirect");
      closed(runner());
      expect(runner().run(second)).toEqual({ verdict: "next", packet: second, counts: {} });
    });
  });

  // An IPv4 address in a key has the same bytes as the IPv4-mapped IPv6 address: only the family differs.
  describe("IPv4-mapped IPv6 addresses on the wire", () => {
    const mapped = (address: string) => `::ffff:${address}`;
    const packet = (layer: Layer, dst: string) => ethernet(ARRIVING, ipv6(layer, { src: mapped(PLAYER.address), dst }));

    table(runner, [
      next("TCP to a public endpoint", packet(tcp({ src: 1, dst: A.port }), mapped(PUBLIC_ADDRESS))),
      next("TCP to a container endpoint", packet(tcp({ src: 1, dst: A.containerPort }), mapped(A.address))),
      next("UDP to a public endpoint", packet(udp({ src: 1, dst: 25599 }), mapped(PUBLIC_ADDRESS))),
    ]);

    test("leave no trace in the maps", () => {
      withForwards()(runner());
      runner().run(packet(tcp({ src: 1, dst: A.port, flags: "S" }), mapped(PUBLIC_ADDRESS)));
      expect(runner().entries("dp_fragments")).toEqual([]);
    });
  });

  table(
    runner,
    ENDS.map(({ it, forward, port, containerPort }) => ({
      it: `an ICMP error about a reply of ${it} is translated, counted for that forward`,
      given: withForwards(),
      packet: ethernet(
        ARRIVING,
        ipv4({ src: "192.0.2.254", dst: forward.address }, unreachable(aboutReply(forward.address, port))),
      ),
      verdict: "redirect" as const,
      out: ethernet(
        { ...ARRIVING, dst: A.mac },
        ipv4({ src: "192.0.2.254", dst: A.address }, unreachable(aboutReply(A.address, containerPort))),
      ),
      counts: into(forward),
    })),
  );
});

describe("at the host peer", () => {
  const runner = runnerFor("snat");

  const drop = (
    it: string,
    reason: Parameters<typeof dropped>[1],
    packet: Uint8Array,
    more: Partial<Case> = {},
  ): Case => ({
    it: `${it} is dropped: ${reason}`,
    given: withForwards(),
    packet,
    verdict: "drop",
    counts: dropped(A.id, reason),
    ...more,
  });

  table(runner, [
    ...ENDS.map(({ it, forward, port, containerPort }) => ({
      it: `a reply from the container port of ${it} leaves under its public endpoint, counted for that forward`,
      given: withForwards(),
      packet: leaving(containerPort),
      verdict: "redirect" as const,
      out: sent(forward.address, port),
      counts: outOf(forward),
    })),
    ...BESIDE.map(({ it, containerPort }) => drop(`a reply from ${it}`, "tcp", leaving(containerPort))),
    ...ENDS.map(({ it, containerPort }) =>
      drop(`a SYN from the container port of ${it}`, "forwardSyn", leaving(containerPort, { flags: "S" })),
    ),
    ...ENDS.filter(({ port, containerPort }) => port !== containerPort).map(({ it, port }) =>
      drop(`TCP from the public port of ${it}`, "tcp", leaving(port)),
    ),
    ...[0, 1, 15, 30, 31].map((index) => ({
      it: `of 32 forwards, a reply of number ${index + 1} leaves under its public endpoint`,
      given: withForwards({ forwards: ALL_PLACES }),
      packet: leaving(32000 + index),
      verdict: "redirect" as const,
      out: sent(PUBLIC_ADDRESS, 31000 + index),
      counts: outOf({ counter: 24 + index }),
    })),
    drop("of 32 forwards, TCP from the port before the first", "tcp", leaving(31999), {
      given: withForwards({ forwards: ALL_PLACES }),
    }),
    drop("of 32 forwards, TCP from the port behind the last", "tcp", leaving(32032), {
      given: withForwards({ forwards: ALL_PLACES }),
    }),
    {
      it: "a range may be all ports but 0",
      given: withForwards({ forwards: [forwardOf(A, { port: 1, count: 65535, containerPort: 1 })] }),
      packet: leaving(65535),
      verdict: "redirect",
      out: sent(PUBLIC_ADDRESS, 65535),
      counts: outOf(OWN),
    },
    drop("a reply whose forward's uplink is gone", "gone", leaving(25566), {
      given: (maps) => {
        withForwards()(maps);
        maps.delete("dp_uplinks", STRANGER.index);
      },
    }),
    {
      it: "a reply of another forward still leaves then",
      given: (maps) => {
        withForwards()(maps);
        maps.delete("dp_uplinks", STRANGER.index);
      },
      packet: leaving(20009),
      verdict: "redirect",
      out: sent(PUBLIC_ADDRESS, 30009),
      counts: outOf(RANGE),
    },
    drop("TCP of a server without forwards", "tcp", leaving(A.containerPort), {
      given: withForwards({ forwards: [] }),
    }),
    drop("TCP from port 0 of a server without forwards", "tcp", leaving(0), { given: withForwards({ forwards: [] }) }),
    drop(
      "IPv6 with the container's address as a mapped one",
      "ipv6",
      ethernet(
        LEAVING,
        ipv6(tcp({ src: A.containerPort, dst: 1 }), { src: `::ffff:${A.address}`, dst: `::ffff:${PLAYER.address}` }),
      ),
    ),
  ]);

  // Rule 12.
  table(runner, [
    ...ENDS.map(({ it, forward, port, containerPort }) => ({
      it: `an ICMP error about what a player sent to ${it} is translated`,
      given: withForwards(),
      packet: ethernet(
        LEAVING,
        ipv4({ src: A.address, dst: PLAYER.address }, unreachable(aboutArrival(A.address, containerPort))),
      ),
      verdict: "redirect" as const,
      out: ethernet(
        LEAVING,
        ipv4({ src: forward.address, dst: PLAYER.address }, unreachable(aboutArrival(forward.address, port))),
      ),
      counts: outOf(forward),
    })),
    ...BESIDE.map(({ it, containerPort }) =>
      drop(
        `an ICMP error about what a player sent to ${it}`,
        "icmp",
        ethernet(
          LEAVING,
          ipv4({ src: A.address, dst: PLAYER.address }, unreachable(aboutArrival(A.address, containerPort % 65536))),
        ),
      ),
    ),
  ]);

  // Rule 8: what servers of one group send each other.
  const group =
    (forwardsOfA: readonly Forward[], forwardsOfB: readonly Forward[]) =>
    (maps: ProgramRunner): void => {
      maps.writeServer(A, { group: 9, forwards: forwardsOfA });
      maps.writeServer(B, { group: 9, forwards: forwardsOfB });
    };
  const toB = (fields: TcpFields, eth = LEAVING) =>
    ethernet(eth, ipv4({ src: A.address, dst: B.address }, tcp(fields)));
  const rangeOfB = forwardOf(B, { port: 30100, count: 3, containerPort: 20100, counter: 60 });

  table(runner, [
    ...[0, 1, 2].map((index) => ({
      it: `a connection to container port ${index + 1} of a range of a server of the group enters it`,
      given: group(FORWARDS, [forwardOf(B), rangeOfB]),
      packet: toB({ src: 40000, dst: 20100 + index, flags: "S" }),
      verdict: "redirect" as const,
      out: toB({ src: 40000, dst: 20100 + index, flags: "S" }, { ...LEAVING, dst: B.mac }),
    })),
    ...[20099, 20103, 30100].map((dst) =>
      drop(`a connection to port ${dst} of that server`, "eastWest", toB({ src: 40000, dst, flags: "S" }), {
        given: group(FORWARDS, [forwardOf(B), rangeOfB]),
      }),
    ),
    ...ENDS.map(({ it, containerPort }) => ({
      it: `an answer from the container port of ${it} enters a server of the group`,
      given: group(FORWARDS, []),
      packet: toB({ src: containerPort, dst: 40000, flags: "SA" }),
      verdict: "redirect" as const,
      out: toB({ src: containerPort, dst: 40000, flags: "SA" }, { ...LEAVING, dst: B.mac }),
    })),
    ...BESIDE.map(({ it, containerPort }) =>
      drop(`an answer from ${it}`, "eastWest", toB({ src: containerPort % 65536, dst: 40000, flags: "SA" }), {
        given: group(FORWARDS, []),
      }),
    ),
    drop(
      "TCP to a container whose entry names another server's host peer",
      "eastWest",
      toB({ src: 1, dst: 25565, flags: "S" }),
      {
        given: (maps) => {
          group(FORWARDS, [forwardOf(B)])(maps);
          maps.set("dp_containers", B.address, { server: B.id + 1, hostPeer: B.hostPeer });
        },
      },
    ),
  ]);
});

describe("in the container", () => {
  const runner = runnerFor("tproxy", { program: "dp_tproxy_container" });

  const opening = (src: number, flags = "S") =>
    ethernet(LEAVING, ipv4({ src: A.address, dst: PLAYER.address }, tcp({ src: src % 65536, dst: 443, flags })));
  const redirected = (src: number) =>
    ethernet(
      LEAVING,
      ipv4({ src: A.address, dst: A.gateway }, tcp({ src: src % 65536, dst: CONFIG.tcpPort, flags: "S" })),
    );

  table(runner, [
    ...ENDS.flatMap(({ it, containerPort }) =>
      ["S", "SA", "PA"].map((flags) => ({
        it: `TCP from the container port of ${it} (${flags}) is left alone`,
        given: withForwards(),
        packet: opening(containerPort, flags),
        verdict: "next" as const,
      })),
    ),
    ...BESIDE.filter(({ containerPort }) => containerPort % 65536 !== 0).map(({ it, containerPort }) => ({
      it: `a connection from ${it} goes to the proxy`,
      given: withForwards(),
      packet: opening(containerPort),
      verdict: "next" as const,
      out: redirected(containerPort),
    })),
    ...[0, 31].map((index) => ({
      it: `of 32 forwards, TCP from the container port of number ${index + 1} is left alone`,
      given: withForwards({ forwards: ALL_PLACES }),
      packet: opening(32000 + index),
      verdict: "next" as const,
    })),
    {
      it: "an address whose entry names another server's host peer is left alone",
      given: (maps) => maps.set("dp_containers", A.address, { server: A.id + 1, hostPeer: A.hostPeer }),
      packet: opening(40000),
      verdict: "next",
    },
  ]);
});

/** What an ICMP error quotes of a packet from a public or a container endpoint to the player. */
function aboutReply(address: string, port: number): Layer {
  return ipv4({ src: address, dst: PLAYER.address }, tcp({ src: port, dst: PLAYER.port }, "hello"));
}

/** The same of a packet of the player. */
function aboutArrival(address: string, port: number): Layer {
  return ipv4({ src: PLAYER.address, dst: address }, tcp({ src: PLAYER.port, dst: port }, "hello"));
}

function unreachable(about: Layer): Layer {
  const quoted = ethernet(ARRIVING, about).subarray(14);
  return icmp({ type: IcmpType.unreachable, code: 3 }, quoted);
}
