/** Tests of a program as a table: what goes in, what it says, what comes out. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { ObjectName } from "@dp/bpf";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import type { Counts } from "@dp/test-kit/packet-counts.ts";
import {
  ProgramRunner,
  type ProgramRunnerOptions,
  type DropReason,
  type RunOptions,
  type Verdict,
} from "@dp/test-kit/program-runner.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import type { Server } from "@dp/test-kit/two-servers.ts";

export interface Case {
  /** A sentence about behaviour. */
  it: string;
  packet: Uint8Array;
  /** Packets that were there before. */
  after?: readonly Uint8Array[];
  /** What is different in the maps. */
  given?: (runner: ProgramRunner) => void;
  run?: RunOptions;
  verdict: Verdict;
  /** The packet that comes out. Left out: unchanged. */
  out?: Uint8Array;
  /** All that is counted. Left out: nothing. */
  counts?: (length: number) => Counts;
}

/** One packet to a server's container, by the forward with this counter. */
export function into(server: Pick<Server, "counter">): (length: number) => Counts {
  return (length) => ({ [`${server.counter} in packets`]: 1, [`${server.counter} in bytes`]: length });
}

/** One packet from a server's container to a player. */
export function outOf(server: Pick<Server, "counter">): (length: number) => Counts {
  return (length) => ({ [`${server.counter} out packets`]: 1, [`${server.counter} out bytes`]: length });
}

/** One packet dropped, counted for the server of this id; 0: for none. */
export function dropped(id: number, reason: DropReason): (length: number) => Counts {
  return () => ({ [`${id} drop ${reason}`]: 1 });
}

requireRoot();

/** The open runners, and the descriptors that were open before the first of them. */
const openRunners = new Set<ProgramRunner>();
let descriptorsBefore: string[] = [];

/**
 * Makes a runner for all tests of a file, with fresh maps for each. At the end, checks that no descriptor of a program,
 * a map or a namespace is left open.
 */
export function runnerFor(name: ObjectName, options?: ProgramRunnerOptions): () => ProgramRunner {
  let runner: ProgramRunner | undefined;
  beforeAll(async () => {
    if (openRunners.size === 0) descriptorsBefore = openBpfDescriptors();
    runner = await ProgramRunner.open(name, options);
    openRunners.add(runner);
  });
  afterEach(() => runner?.reset());
  afterAll(() => {
    if (runner === undefined) return;
    runner[Symbol.dispose]();
    openRunners.delete(runner);
    if (openRunners.size === 0) expect(openBpfDescriptors()).toEqual(descriptorsBefore);
  });
  return () => {
    if (runner === undefined) throw new Error("the runner exists only inside tests");
    return runner;
  };
}

/**
 * Runs each case twice: with a packet as a plain device delivers it, and with one whose bytes the device has summed up
 * (CHECKSUM_COMPLETE), where the kernel checks that the program kept that sum true.
 *
 * @param summedUp false leaves out the second: for protocols without a checksum, whose packets have no such sum
 */
export function table(runner: () => ProgramRunner, cases: readonly Case[], summedUp = true): void {
  for (const each of cases) {
    test(each.it, () => {
      for (const checksumComplete of summedUp && runner().checksumComplete ? [false, true] : [false]) {
        runner().reset();
        each.given?.(runner());
        for (const packet of each.after ?? []) runner().run(packet);
        const outcome = runner().run(each.packet, { ...each.run, checksumComplete });
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
