/**
 * Runs packets that are almost right, and noise, in the kernel and in the model: both must give the same verdict and
 * the same bytes. There are 50,000 of them here, each by itself, and 20,000 that belong to flows in flows.test.ts. A
 * long run takes as many of either as it is told, from another seed each time:
 *
 *     DP_FUZZ_CASES=1000000 tools/test core -- fuzz
 *     DP_FUZZ_SEED=123 DP_FUZZ_CASES=... tools/test core -- fuzz        the same once more
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { DpFamily } from "@dp/bpf";
import { SyscallError } from "@dp/sys";
import { ethernet, ipv4, tcp, type TcpFields } from "@dp/test-kit/frame.ts";
import { type Counts, difference } from "@dp/test-kit/packet-counts.ts";
import { type Outcome, ProgramRunner, type RunOptions } from "@dp/test-kit/program-runner.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { CONFIG, HOST_ADDRESSES, HOST_PEER_MAC, PUBLIC_ADDRESS, STRANGER, UPLINK } from "@dp/test-kit/two-servers.ts";
import { endpointKey } from "@dp/test-kit/write-server.ts";
import { type OpenObject, u16, u32, u64 } from "../../src/libbpf/index.ts";
import { playerSlot } from "../packet/player-slot.ts";
import { PLAYERS } from "./addresses.ts";
import { type Case, makeCase, type ProgramName } from "./cases.ts";
import { KEPT } from "./kept.ts";
import { howMany, LONG_RUN, SEED } from "./length.ts";
import { Model } from "./model.ts";
import { Random } from "./random.ts";
import type { Verdict } from "./verdict.ts";
import { SERVERS } from "./world.ts";

requireRoot();

const CASES = howMany(50_000);
/** Between two looks at the counters. Far below what the map of fragments holds. */
const BATCH = 1000;
/** Servers of one group, of two, and of none. */
const GROUPS = [
  [7, 7],
  [7, 8],
  [0, 0],
] as const;
/** As the programs have it: longer than any run. */
const PLAYER_STEPS = 550;

const servers = SERVERS.map((server) => ({ ...server, group: 0 }));
/** One begun before the proxy's ports changed. */
const FLOWS = [
  { sport: 5000, protocol: 6, listener: 9999 },
  { sport: 5001, protocol: 6, listener: 9080 },
  { sport: 5000, protocol: 17, listener: 9053 },
];

const runners = {} as Record<ProgramName, ProgramRunner>;

beforeAll(async () => {
  const players = (object: OpenObject) => {
    object.setVariable("dp_player_steps", u32, PLAYER_STEPS);
    // The model has no clock.
    object.setVariable("dp_answer_units", u16, 0xffff);
    object.setVariable("dp_handshake_units", u16, 0xffff);
  };
  runners.dnat = await ProgramRunner.open("dnat", {
    prepare(object) {
      players(object);
      object.setVariable("dp_fragment_ns", u64, 2n ** 64n - 1n);
      object.setVariable("dp_fragment_budget", u32, 0xffff_ffff);
    },
  });
  runners.snat = await ProgramRunner.open("snat", {
    prepare(object) {
      players(object);
      // Without end: as many packets of a kind as there are.
      object.setVariable("dp_own_interval_ns", u64, 0n);
      object.map("dp_players").reuse(runners.dnat.lend("dp_players"));
    },
  });
  runners.arp = await ProgramRunner.open("arp");
  for (const runner of Object.values(runners)) {
    for (const server of servers) runner.writeServer(server, server);
  }
  runners.snat.set("dp_uplinks", STRANGER.index, STRANGER.index);
  for (const server of servers) {
    for (const { address: addr, port, protocol, family } of server.forwards.filter(({ closed }) => closed)) {
      const key = endpointKey(server, { addr, port, protocol, family });
      runners.dnat.set("dp_endpoints", key, { ...runners.dnat.get("dp_endpoints", key), open: 0 });
    }
    for (const { sport, protocol, listener } of FLOWS) {
      runners.snat.set(
        "dp_origins",
        { server: server.id, sport, protocol, family: DpFamily.ipv4 },
        { dst: "192.0.2.80", dport: 80, sport, listener, end: 0, expires: 0n },
      );
    }
  }
});

afterAll(() => {
  for (const runner of Object.values(runners)) runner[Symbol.dispose]();
});

/** One for all: it knows who was here before, as the programs do. */
const model = new Model(
  {
    servers,
    hostAddresses: HOST_ADDRESSES,
    hostPeerMac: HOST_PEER_MAC,
    flows: new Map(
      servers.flatMap(({ id }) =>
        FLOWS.map(({ sport, protocol, listener }) => [`${id}/${sport}/${protocol}/${DpFamily.ipv4}`, listener]),
      ),
    ),
  },
  CONFIG.playerKey,
);

/** The host is a player, too: dp_tproxy_host, which is not run here, would note it. */
function meetHost(server: (typeof servers)[number]): void {
  using table = runners.dnat.playerTables().get(server.id);
  const numbers = [...(table?.get(0) ?? [])];
  const slot = (address: string) => playerSlot(CONFIG.playerKey, server.id, address);
  for (const address of [server.gateway, ...HOST_ADDRESSES]) {
    numbers[slot(address)] = numbers[slot(PLAYERS[0])] as number;
    model.meet(server, address);
  }
  table?.set(0, numbers);
}

/** Both forget everything, and meet the players: by handshakes. */
function startAnew(): void {
  runners.dnat.clear("dp_fragments");
  model.forget();
  for (const { id } of servers) {
    using table = runners.dnat.playerTables().get(id);
    table?.set(
      0,
      Array.from({ length: 8064 }, () => 0),
    );
  }
  const says = (src: string, fields: TcpFields) =>
    ethernet({ dst: UPLINK.mac, src: "02:bb:00:00:00:01" }, ipv4({ src, dst: PUBLIC_ADDRESS }, tcp(fields)));
  for (const { address, mac, hostPeer, port, containerPort } of servers) {
    for (const player of PLAYERS) {
      const answer = ethernet(
        { dst: HOST_PEER_MAC, src: mac },
        ipv4({ src: address, dst: player }, tcp({ src: containerPort, dst: 1, flags: "SA", seq: 7 })),
      );
      for (const frame of [
        says(player, { src: 1, dst: port, flags: "S" }),
        answer,
        says(player, { src: 1, dst: port, flags: "A", ack: 8 }),
      ]) {
        const program = frame === answer ? "snat" : "dnat";
        const ifindex = frame === answer ? hostPeer : UPLINK.index;
        expect(runners[program].runUncounted(frame, { ifindex }).verdict).toBe("redirect");
        expect(model[program](frame, undefined, ifindex).verdict).toBe("redirect");
      }
    }
  }
  for (const server of servers) meetHost(server);
}

interface Compared {
  /** What differs; undefined when nothing does. */
  difference: string | undefined;
  expected: Verdict;
}

function compare({ program, ifindex, frame, cutTo, tag, checksumComplete }: Case): Compared {
  const sent = frame.subarray(0, cutTo);
  const expected = model[program](sent, tag, ifindex);
  const runner = runners[program];
  const options: RunOptions = {
    ifindex,
    ...(cutTo === undefined ? {} : { cutTo }),
    ...(tag === undefined ? {} : { tag }),
    checksumComplete: checksumComplete && runner.checksumComplete,
  };
  let actual: Omit<Outcome, "counts">;
  try {
    actual = runner.runUncounted(frame, options);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errnoName === "EBADMSG")) throw error;
    return { difference: "the program did not keep the sum of the packet's bytes", expected };
  }
  const out = expected.packet ?? sent;
  const same = actual.verdict === expected.verdict && Buffer.compare(actual.packet, out) === 0;
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const difference = same
    ? undefined
    : `program: ${actual.verdict} ${hex(actual.packet)}\nmodel:   ${expected.verdict} ${hex(out)}`;
  return { difference, expected };
}

function setGroups(groups: readonly [number, number]): void {
  for (const [index, server] of servers.entries()) {
    server.group = groups[index] as number;
    const entry = runners.snat.get("dp_servers", server.hostPeer);
    runners.snat.set("dp_servers", server.hostPeer, { ...entry, group: server.group });
  }
}

/** A case in the form of kept.ts. */
function toKept({ program, ifindex, frame, cutTo, tag, checksumComplete }: Case): string {
  const more = {
    ...(cutTo === undefined ? {} : { cutTo }),
    ...(tag === undefined ? {} : { tag }),
    ...(checksumComplete ? { checksumComplete } : {}),
  };
  return JSON.stringify({ was: "?", program, ifindex, frame: Buffer.from(frame).toString("hex"), ...more });
}

function add(counts: Counts, key: string, count = 1): void {
  counts[key] = (counts[key] ?? 0) + count;
}

/** What all programs counted: "5 drop udp", "11 in bytes". */
function counted(): Counts {
  const sum: Counts = {};
  for (const runner of Object.values(runners)) {
    for (const [name, count] of Object.entries(runner.counts())) add(sum, name, count);
  }
  return sum;
}

test.each(KEPT.map((kept) => [kept.was, kept] as const))("kept: %s", (_, kept) => {
  startAnew();
  const { frame, cutTo, tag, checksumComplete = false } = kept;
  const one = { ...kept, frame: Uint8Array.from(Buffer.from(frame, "hex")), cutTo, tag, checksumComplete };
  expect(compare(one).difference).toBeUndefined();
});

test(
  `the programs and the model agree on ${CASES} packets`,
  () => {
    const random = new Random(SEED);
    const verdicts: Counts = {};
    for (let done = 0; done < CASES; done += BATCH) {
      startAnew();
      setGroups(random.one(GROUPS));
      const expectedCounts: Counts = {};
      const before = counted();
      for (let each = 0; each < Math.min(BATCH, CASES - done); each++) {
        const one = makeCase(random);
        const { difference: differs, expected } = compare(one);
        if (differs !== undefined) throw new Error(`seed ${SEED}, case ${done + each}:\n${toKept(one)}\n${differs}`);
        add(verdicts, `${one.program} ${expected.drop ?? expected.verdict}`);
        const { id = 0 } = servers.find(({ hostPeer }) => hostPeer === one.ifindex) ?? {};
        if (expected.drop !== undefined) add(expectedCounts, `${id} drop ${expected.drop}`);
        if (expected.counted === undefined) continue;
        add(expectedCounts, `${expected.counted} packets`);
        add(expectedCounts, `${expected.counted} bytes`, one.cutTo ?? one.frame.byteLength);
      }
      expect(difference(before, counted())).toEqual(expectedCounts);
    }
    if (LONG_RUN) console.log(`seed ${SEED}`, verdicts);
    // Without these, the packets above test little.
    for (const rare of ["dnat redirect", "arp redirect", "snat redirect", "snat pass", "snat eastWest", "snat icmp"]) {
      expect([rare, (verdicts[rare] ?? 0) > CASES / 200]).toEqual([rare, true]);
    }
  },
  60_000 + CASES,
);
