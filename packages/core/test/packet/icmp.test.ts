/**
 * bpf/icmp.h: ICMP errors about a server's flow, at the uplink (dp_dnat, rule 4) and at the host peer (dp_snat, rule
 * 12). What must come out is built anew, with the other addresses: so every checksum in it is right.
 *
 *     router ── error: "what 203.0.113.10:25570 sent" ──▶ uplink ──▶ "what 10.2.0.2:25565 sent" ──▶ container
 *     player ◀── "what went to 203.0.113.10:25570" ◀── uplink ◀── error: "what went to 10.2.0.2:25565" ── container
 */
import { describe, expect, test } from "bun:test";
import { checksum } from "@dp/test-kit/checksum.ts";
import {
  ethernet,
  fragments,
  icmp,
  IcmpType,
  ipv4,
  type Ipv4Fields,
  MAXIMUM_OPTIONS,
  padded,
  Protocol,
  RECORD_ROUTE,
  SYN_OPTIONS,
  tcp,
  type TcpFields,
  udp,
} from "@dp/test-kit/frame.ts";
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { A, B, CONFIG, HOST_ADDRESSES, HOST_PEER_MAC, PUBLIC_ADDRESS, UPLINK } from "@dp/test-kit/two-servers.ts";
import { endpointKey } from "@dp/test-kit/write-server.ts";
import { u32 } from "../../src/libbpf/index.ts";
import { IMPOSSIBLE_SOURCES } from "./impossible-sources.ts";
import { playerSlot } from "./player-slot.ts";
import { runnerFor, type Case, dropped, into, outOf, table } from "./table.ts";

const PLAYER = { address: "198.51.100.7", port: 40000 };
const ROUTER = "192.0.2.254";

interface Details {
  type?: number;
  code?: number;
  /** The next hop's MTU, where it is fragmentation needed. */
  rest?: number;
  /** The packet that carries the error. */
  ip?: Partial<Ipv4Fields>;
  /** The one it is about. */
  quotedIp?: Partial<Ipv4Fields>;
  quotedTcp?: Partial<TcpFields>;
  /** How many bytes of it are quoted, behind its IPv4 header. Default: all. */
  quotes?: number;
  data?: string;
  /** What stands behind what is quoted: extensions (RFC 4884). */
  behind?: Uint8Array;
}

interface Ends {
  readonly eth: { dst: string; src: string };
  readonly ip: { src: string; dst: string };
  readonly quotedIp: { src: string; dst: string };
  readonly quotedTcp: { src: number; dst: number };
}

function error(ends: Ends, details: Details): Uint8Array {
  const { type = IcmpType.unreachable, code = 4, rest = 1400, data = "hello", quotes, behind } = details;
  const quotedIp = { ...ends.quotedIp, ...details.quotedIp };
  const packet = ethernet(ends.eth, ipv4(quotedIp, tcp({ ...ends.quotedTcp, ...details.quotedTcp }, data))).subarray(
    14,
  );
  const headerLength = 20 + (quotedIp.options?.byteLength ?? 0);
  const quoted = packet.subarray(0, quotes === undefined ? undefined : headerLength + quotes);
  const payload = Buffer.concat([quoted, behind ?? new Uint8Array()]);
  return ethernet(ends.eth, ipv4({ ...ends.ip, ...details.ip }, icmp({ type, code, rest }, payload)));
}

const KINDS: [name: string, details: Details][] = [
  ["network unreachable", { code: 0 }],
  ["host unreachable", { code: 1 }],
  ["port unreachable", { code: 3 }],
  ["fragmentation needed", { code: 4 }],
  ["prohibited by an administrator", { code: 13 }],
  ["time exceeded in transit", { type: IcmpType.timeExceeded, code: 0 }],
  ["time exceeded in reassembly", { type: IcmpType.timeExceeded, code: 1 }],
  ["parameter problem", { type: 12, code: 0, rest: 0x14000000 }],
];

const OPTIONS: [name: string, options: Uint8Array | undefined][] = [
  ["no options", undefined],
  ["options", RECORD_ROUTE],
  ["all options there is room for", MAXIMUM_OPTIONS],
];

/**
 * Behind its IPv4 header: ports and sequence number, up to the checksum, with it, the header, and more. Of 17 bytes the
 * last is half a checksum, which can be neither corrected nor used.
 */
const LENGTHS = [8, 9, 12, 16, 18, 19, 20, 21, 30, 40];

/** Errors that are translated, whatever they look like. */
const SHAPES: [it: string, details: Details][] = [
  ...KINDS.map(([name, details]): [string, Details] => [name, details]),
  ...LENGTHS.map((quotes): [string, Details] => [
    `${quotes} bytes of TCP are quoted`,
    { quotes, data: "x".repeat(20) },
  ]),
  ...OPTIONS.flatMap(([outside, options]) =>
    OPTIONS.flatMap(([inside, quotedOptions]) =>
      [8, undefined].map((quotes): [string, Details] => [
        `${outside} outside, ${inside} inside, ${quotes === undefined ? "everything is quoted" : "8 bytes are quoted"}`,
        {
          ...(quotes === undefined ? {} : { quotes }),
          ip: options === undefined ? {} : { options },
          quotedIp: quotedOptions === undefined ? {} : { options: quotedOptions },
        },
      ]),
    ),
  ),
  ["the quoted segment has options", { quotedTcp: { flags: "SA", options: SYN_OPTIONS }, data: "" }],
  ["the quoted packet was longer than what is there of it", { quotedIp: { totalLength: 1500 }, quotes: 8 }],
  ["the quoted packet's time to live was changed on the way", { quotedIp: { ttl: 1 } }],
  ["a first fragment is quoted", { quotedIp: { moreFragments: true } }],
  [
    "extensions stand behind what is quoted",
    { quotes: 108, data: "x".repeat(88), behind: new Uint8Array(12).fill(0x20) },
  ],
  ["a big part of a packet is quoted", { data: "x".repeat(500) }],
];

/** Errors that are about no flow of a server's with its player. */
const BOGUS: [it: string, details: Details][] = [
  ["7 bytes of TCP are quoted", { quotes: 7, data: "" }],
  ["nothing behind the quoted IPv4 header", { quotes: 0, data: "" }],
  ["UDP is quoted", { quotedIp: { protocol: Protocol.udp } }],
  ["ICMP is quoted", { quotedIp: { protocol: Protocol.icmp } }],
  ["a later fragment is quoted", { quotedIp: { fragmentOffset: 8 } }],
  ["what is quoted says it is IPv6", { quotedIp: { version: 6 } }],
  ["the quoted header says it is shorter than any", { quotedIp: { ihl: 4 } }],
  ["the quoted header says it is longer than what is there", { quotedIp: { ihl: 15 }, quotes: 8, data: "" }],
  ["it is the first fragment of an error", { ip: { moreFragments: true } }],
  ["it is a later fragment of an error", { ip: { fragmentOffset: 8 } }],
  ["its total length ends inside what is quoted", { ip: { totalLength: 20 + 8 + 20 + 7 } }],
  ["a redirect", { type: IcmpType.redirect, code: 1 }],
  ["a source quench", { type: 4, code: 0 }],
  ["an echo request that quotes", { type: IcmpType.echoRequest, code: 0 }],
  ["an echo reply that quotes", { type: IcmpType.echoReply, code: 0 }],
];

describe("at the uplink", () => {
  const runner = runnerFor("dnat");

  const ARRIVING: Ends = {
    eth: { dst: UPLINK.mac, src: "02:bb:00:00:00:01" },
    ip: { src: ROUTER, dst: PUBLIC_ADDRESS },
    quotedIp: { src: PUBLIC_ADDRESS, dst: PLAYER.address },
    quotedTcp: { src: A.port, dst: PLAYER.port },
  };
  const DELIVERED: Ends = {
    eth: { ...ARRIVING.eth, dst: A.mac },
    ip: { src: ROUTER, dst: A.address },
    quotedIp: { src: A.address, dst: PLAYER.address },
    quotedTcp: { src: A.containerPort, dst: PLAYER.port },
  };

  const translated = (it: string, details: Details): Case => ({
    it: `an error reaches the container: ${it}`,
    packet: error(ARRIVING, details),
    verdict: "redirect",
    out: error(DELIVERED, details),
    counts: into(A),
  });

  const next = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
    it: `an error stays the host's: ${it}`,
    packet,
    verdict: "next",
    ...more,
  });

  const PLAIN = error(ARRIVING, {});
  table(runner, [
    ...SHAPES.map(([it, details]) => translated(it, details)),
    {
      ...translated("what the Ethernet adds stays behind it", {}),
      packet: padded(PLAIN, 120),
      out: padded(error(DELIVERED, {}), 120),
    },
    ...BOGUS.map(([it, details]) => next(it, error(ARRIVING, details))),
    ...IMPOSSIBLE_SOURCES.map((src) => next(`from ${src}`, error(ARRIVING, { ip: { src } }))),
    ...IMPOSSIBLE_SOURCES.map((dst) => next(`about a packet to ${dst}`, error(ARRIVING, { quotedIp: { dst } }))),
    next("about a port no server has", error(ARRIVING, { quotedTcp: { src: 22 } })),
    next("about another address's flow", error(ARRIVING, { quotedIp: { src: "203.0.113.11" } })),
    next("to another address than the quoted packet came from", error(ARRIVING, { ip: { dst: "203.0.113.11" } })),
    next("about what a player sent, not the server", error({ ...ARRIVING, quotedIp: swap(ARRIVING.quotedIp) }, {})),
    next("tagged for a VLAN", PLAIN, { run: { tag: 100 } }),
    next("to a MAC that is not the host's", error({ ...ARRIVING, eth: { ...ARRIVING.eth, dst: B.mac } }, {})),
    next("about a server that was removed", PLAIN, {
      given: (maps: ProgramRunner) => maps.delete("dp_endpoints", endpointKey(A)),
    }),
    ...fragments(ARRIVING.eth, ARRIVING.ip, icmp({ type: 3, code: 4 }, PLAIN.subarray(42)), [8]).map(
      (fragment, index) => next(`fragment ${index} of one`, fragment),
    ),
    next(
      "about a UDP flow from a server's port",
      ethernet(
        ARRIVING.eth,
        ipv4(
          ARRIVING.ip,
          icmp(
            { type: 3, code: 3 },
            ethernet(ARRIVING.eth, ipv4(ARRIVING.quotedIp, udp({ src: A.port, dst: 53 }, "?"))).subarray(14),
          ),
        ),
      ),
    ),
  ]);

  test("a wrong checksum in what is quoted stays wrong, and the error's own right", () => {
    const details = { quotedIp: { checksum: 0x1234 }, quotedTcp: { checksum: 0x5678 } };
    const { verdict, packet } = runner().run(error(ARRIVING, details));
    expect(verdict).toBe("redirect");
    expect(checksum(packet.subarray(34))).toBe(0);
    const right = error(DELIVERED, {});
    expect(packet.subarray(42 + 10, 42 + 12)).not.toEqual(right.subarray(42 + 10, 42 + 12));
    expect(packet.subarray(62 + 16, 62 + 18)).not.toEqual(right.subarray(62 + 16, 62 + 18));
    // But for the three checksums, it is the same.
    const others = (frame: Uint8Array) => [frame.subarray(0, 36), frame.subarray(38, 52), frame.subarray(54, 78)];
    expect(others(packet)).toEqual(others(right));
  });

  test("an error cut off at any byte is left alone", () => {
    const whole = error(ARRIVING, { quotes: 8 });
    for (let length = 34; length < whole.byteLength; length++) {
      expect(runner().run(whole, { cutTo: length })).toEqual({
        verdict: "next",
        packet: whole.subarray(0, length),
        counts: {},
      });
    }
  });
});

describe("at the uplink, of an address that is not a player", () => {
  const runner = runnerFor("dnat", { prepare: (object) => object.setVariable("dp_player_steps", u32, 100) });
  const packet = (data: string) =>
    ethernet(
      { dst: UPLINK.mac, src: "02:bb:00:00:00:01" },
      ipv4(
        { src: ROUTER, dst: PUBLIC_ADDRESS },
        icmp(
          { type: 3, code: 4, rest: 68 },
          ethernet(
            { dst: A.mac, src: A.mac },
            ipv4({ src: PUBLIC_ADDRESS, dst: PLAYER.address }, tcp({ src: A.port, dst: PLAYER.port }, data)),
          ).subarray(14),
        ),
      ),
    );

  test("an error changes nothing until that one is a player, which a SYN does not make it", () => {
    expect(runner().run(packet("x")).verdict).toBe("next");
    const syn = tcp({ src: PLAYER.port, dst: A.port, flags: "S" });
    const says = ipv4({ src: PLAYER.address, dst: PUBLIC_ADDRESS }, syn);
    expect(runner().run(ethernet({ dst: UPLINK.mac, src: "02:bb:00:00:00:01" }, says)).verdict).toBe("redirect");
    expect(runner().run(packet("x")).verdict).toBe("next");
    using table = runner().playerTables().get(A.id);
    const slot = playerSlot(CONFIG.playerKey, A.id, PLAYER.address);
    // All steps from the one before on that a run of this test can have.
    for (let step = 0; step < 2 ** 20; step += 100) {
      table?.set(
        0,
        Array.from({ length: 8064 }, (_, index) => (index === slot ? 2 ** 31 + step : 0)),
      );
      if (runner().runUncounted(packet("x")).verdict === "redirect") return;
    }
    throw new Error("the error reaches the container of no player");
  });
});

describe("at the host peer", () => {
  const runner = runnerFor("snat");

  const LEAVING: Ends = {
    eth: { dst: HOST_PEER_MAC, src: A.mac },
    ip: { src: A.address, dst: PLAYER.address },
    quotedIp: { src: PLAYER.address, dst: A.address },
    quotedTcp: { src: PLAYER.port, dst: A.containerPort },
  };
  const SENT: Ends = {
    eth: LEAVING.eth,
    ip: { src: PUBLIC_ADDRESS, dst: PLAYER.address },
    quotedIp: { src: PLAYER.address, dst: PUBLIC_ADDRESS },
    quotedTcp: { src: PLAYER.port, dst: A.port },
  };

  const drop = (it: string, packet: Uint8Array, more: Partial<Case> = {}): Case => ({
    it: `an error is dropped: ${it}`,
    packet,
    verdict: "drop",
    counts: dropped(A.id, "icmp"),
    ...more,
  });

  const to = (address: string): Ends => ({
    ...LEAVING,
    ip: { src: A.address, dst: address },
    quotedIp: { src: address, dst: A.address },
  });

  /** "Prohibited by an administrator", unless it is told: see below for "fragmentation needed". */
  const prohibits = (ends: Ends, details: Details) => error(ends, { code: 13, ...details });

  table(
    runner,
    SHAPES.filter(([, { code }]) => code !== 4).map(([it, details]) => ({
      it: `an error reaches the player: ${it}`,
      packet: prohibits(LEAVING, details),
      verdict: "redirect" as const,
      out: prohibits(SENT, details),
      counts: outOf(A),
    })),
  );

  // It would make the player's host send smaller packets to every server at the public address.
  table(
    runner,
    SHAPES.filter(([, { type, code = 4 }]) => type === undefined && code === 4).flatMap(([it, details]) =>
      [0, 68, 552, 1400, 1500].map((rest) =>
        drop(`fragmentation needed to ${rest} bytes: ${it}`, error(LEAVING, { ...details, rest })),
      ),
    ),
  );

  table(runner, [
    ...BOGUS.filter(([, { ip }]) => ip?.moreFragments === undefined && ip?.fragmentOffset === undefined).map(
      ([it, details]) => drop(it, prohibits(LEAVING, details)),
    ),
    drop("about what it sent itself", prohibits({ ...LEAVING, quotedIp: swap(LEAVING.quotedIp) }, {})),
    drop("to another than whose packet it quotes", prohibits(LEAVING, { ip: { dst: "198.51.100.8" } })),
    drop("about a packet to another container", prohibits(LEAVING, { quotedIp: { dst: B.address } })),
    drop("about a packet to the public address", prohibits(LEAVING, { quotedIp: { dst: PUBLIC_ADDRESS } })),
    drop("about a packet to another port than the game's", prohibits(LEAVING, { quotedTcp: { dst: 22 } })),
    drop("to its own host peer", prohibits(to(A.gateway), {})),
    drop("to another server's host peer", prohibits(to(B.gateway), {})),
    drop("to another container", prohibits(to(B.address), {})),
    ...HOST_ADDRESSES.map((address) => drop(`to the host's ${address}`, prohibits(to(address), {}))),
    drop("to a multicast address", prohibits(to("224.0.0.1"), {})),
    drop("to the broadcast address", prohibits(to("255.255.255.255"), {})),
    drop("to loopback", prohibits(to("127.0.0.1"), {})),
    drop("under another address", prohibits(LEAVING, { ip: { src: B.address } }), {
      counts: dropped(A.id, "spoofedAddress"),
    }),
    drop("in fragments", prohibits(LEAVING, { ip: { moreFragments: true } }), { counts: dropped(A.id, "fragment") }),
  ]);
});

describe("at the host peer, to an address that is not a player", () => {
  const runner = runnerFor("snat", { prepare: (object) => object.setVariable("dp_player_steps", u32, 100) });

  test("an error is dropped", () => {
    const quoted = ethernet(
      { dst: A.mac, src: A.mac },
      ipv4({ src: PLAYER.address, dst: A.address }, tcp({ src: PLAYER.port, dst: A.containerPort })),
    ).subarray(14);
    const packet = ethernet(
      { dst: HOST_PEER_MAC, src: A.mac },
      ipv4({ src: A.address, dst: PLAYER.address }, icmp({ type: 3, code: 13 }, quoted)),
    );
    expect(runner().run(packet)).toEqual({ verdict: "drop", packet, counts: dropped(A.id, "icmp")(0) });
  });
});

function swap({ src, dst }: { src: string; dst: string }): { src: string; dst: string } {
  return { src: dst, dst: src };
}
