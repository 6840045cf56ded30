/** Tests of a program as a table: what goes in, what it says, what comes out. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { ObjectName } from "@dp/bpf";
import { openKernelFds, requireRoot } from "../support/sandbox.ts";
import {
  Bench,
  type BenchOptions,
  type Counts,
  type DropReason,
  type RunOptions,
  type Server,
  type Verdict,
} from "./bench.ts";

export interface Case {
  /** A sentence about behaviour. */
  it: string;
  packet: Uint8Array;
  /** Packets that were there before. */
  after?: readonly Uint8Array[];
  /** What is different in the maps. */
  given?: (bench: Bench) => void;
  run?: RunOptions;
  verdict: Verdict;
  /** The packet that comes out. Left out: unchanged. */
  out?: Uint8Array;
  /** All that is counted. Left out: nothing. */
  counts?: (length: number) => Counts;
}

/** One packet to a server's container. */
export function into(server: Server): (length: number) => Counts {
  return (length) => ({ [`${server.publicPort} in packets`]: 1, [`${server.publicPort} in bytes`]: length });
}

/** One packet from a server's container to a player. */
export function outOf(server: Server): (length: number) => Counts {
  return (length) => ({ [`${server.hostPeer} out packets`]: 1, [`${server.hostPeer} out bytes`]: length });
}

/** One packet dropped, counted for the server of this host peer; 0: for none. */
export function dropped(hostPeer: number, reason: DropReason): (length: number) => Counts {
  return () => ({ [`${hostPeer} drop ${reason}`]: 1 });
}

requireRoot();

/** Benches that are open, and the descriptors there were before the first of them. */
const openBenches = new Set<Bench>();
let descriptorsBefore: string[] = [];

/**
 * A bench for all tests of a file: fresh maps for each, and at the end no descriptor of a program, a map or a namespace
 * left open.
 */
export function benchFor(name: ObjectName, options?: BenchOptions): () => Bench {
  let bench: Bench | undefined;
  beforeAll(async () => {
    if (openBenches.size === 0) descriptorsBefore = openKernelFds();
    bench = await Bench.open(name, options);
    openBenches.add(bench);
  });
  afterEach(() => bench?.reset());
  afterAll(() => {
    if (bench === undefined) return;
    bench[Symbol.dispose]();
    openBenches.delete(bench);
    if (openBenches.size === 0) expect(openKernelFds()).toEqual(descriptorsBefore);
  });
  return () => {
    if (bench === undefined) throw new Error("the bench is set up before the tests");
    return bench;
  };
}

/**
 * Runs each case twice: with a packet as a plain device delivers it, and with one whose bytes the device has summed up
 * (CHECKSUM_COMPLETE), where the kernel checks that the program kept that sum true.
 *
 * @param summedUp false leaves out the second: for protocols without a checksum, where nobody looks at the sum
 */
export function table(bench: () => Bench, cases: readonly Case[], summedUp = true): void {
  for (const each of cases) {
    test(each.it, () => {
      for (const checksumComplete of summedUp && bench().checksumComplete ? [false, true] : [false]) {
        bench().reset();
        each.given?.(bench());
        for (const packet of each.after ?? []) bench().run(packet);
        const outcome = bench().run(each.packet, { ...each.run, checksumComplete });
        const length = each.run?.cutTo ?? each.packet.byteLength;
        expect(outcome).toEqual({
          verdict: each.verdict,
          packet: (each.out ?? each.packet).slice(0, length),
          counts: each.counts?.(length) ?? {},
        });
      }
    });
  }
}
