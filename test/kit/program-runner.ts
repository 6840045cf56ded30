/**
 * Runs one of the objects' programs on packets (BPF_PROG_TEST_RUN), inside a network namespace of its own with the
 * interfaces of two-servers.ts. It pins nothing, and attaches nothing unless a test asks for it.
 */
import { join } from "node:path";
import { type DpDropReason, dpDropReasonNames, mapLayouts, type MapLayout, type ObjectName, objects } from "@dp/bpf";
import {
  attachClsact,
  attachTcx,
  type BpfMap,
  BpfObject,
  bytes,
  hasTcx,
  type Link,
  type MapOfMaps,
  MapType,
  type OpenObject,
  perCpu,
  possibleCpus,
  type Program,
  skbContext,
  u32,
} from "@dp/core/libbpf";
import { Errno, type Fd, netnsCookie, SyscallError, withNetns } from "@dp/sys";
import { compileBpf } from "./compile-bpf.ts";
import { type Counts, difference } from "./packet-counts.ts";
import { A, B, CONFIG, HOST_ADDRESSES, makeTwoServersNamespace, type Server, UPLINK } from "./two-servers.ts";
import {
  type KeyOf,
  type MapName,
  type ServerDetails,
  type ServerMaps,
  type ValueOf,
  writeDropCounts,
  writeServer,
} from "./write-server.ts";

/** Runs before the program: brings a packet into a state that a test run cannot give it. */
const ARRANGE = join(import.meta.dirname, "arrange.bpf.c");

const ARRAYS: ReadonlySet<number> = new Set([MapType.array, MapType.perCpuArray, MapType.arrayOfMaps]);

/** Of the maps that are arrays: above any id or counter of a test. */
const ENTRIES = 64;

/** What the programs' return values mean, in the words of their comments. */
const VERDICTS = { 0xffffffff: "next", 0: "pass", 2: "drop", 7: "redirect" } as const;
export type Verdict = (typeof VERDICTS)[keyof typeof VERDICTS];

export type DropReason = Exclude<keyof typeof DpDropReason, "none" | "max">;

/** How the object is opened. */
export interface ProgramRunnerOptions {
  /** The program to run, of an object with several. Default: the one named after the object. */
  program?: string;
  /** What to set in the object before it is loaded. */
  prepare?: (object: OpenObject) => void;
}

/** How a packet comes. */
export interface RunOptions {
  /** Another program of the object. */
  program?: string;
  /** The interface whose hook it is. Default: where the program belongs. */
  ifindex?: number;
  /** Cuts the frame to this many bytes inside the kernel, which takes no cut IPv4 header from outside. */
  cutTo?: number;
  /** The 16-bit TCI of a VLAN tag that the device took off the frame. */
  tag?: number;
  gsoSize?: number;
  gsoSegs?: number;
  checksumComplete?: boolean;
}

/** What a program did with a packet. */
export interface Outcome {
  verdict: Verdict;
  packet: Uint8Array;
  counts: Counts;
}

/** One object, loaded in its namespace, with the maps of the two servers. */
export class ProgramRunner implements ServerMaps, Disposable {
  readonly #namespace: Fd;
  readonly #object: BpfObject;
  readonly #arranger: BpfObject;
  readonly #program: string;
  readonly #maps: ReadonlySet<string>;
  readonly #defaultIfindex: number;
  /** Those of all servers that were written. */
  readonly #counters = new Set<number>();
  #link: Link | undefined;
  /** Whether the kernel can give a packet a sum of its bytes and look after it (Linux 6.15). */
  readonly checksumComplete: boolean;
  /** The cookie of the network namespace, which both containers are in. */
  readonly netnsCookie: bigint;

  private constructor(
    namespace: Fd,
    object: BpfObject,
    arranger: BpfObject,
    program: string,
    maps: ReadonlySet<string>,
  ) {
    this.#namespace = namespace;
    this.netnsCookie = netnsCookie(namespace);
    this.#object = object;
    this.#arranger = arranger;
    this.#program = program;
    this.#maps = maps;
    this.#defaultIfindex = program === "dp_dnat" ? UPLINK.index : A.hostPeer;
    this.checksumComplete = canSumUp(object.program(program));
  }

  static async open(name: ObjectName, options: ProgramRunnerOptions = {}): Promise<ProgramRunner> {
    const namespace = await makeTwoServersNamespace();
    const opened = BpfObject.open(objects[name](), { name });
    // Every address counts as a player's: players.test.ts tests which do.
    if (name === "snat" || name === "dnat") opened.setVariable("dp_player_steps", u32, 0xffffffff);
    const maps = new Set(opened.maps().map((map) => map.name));
    // Arrays, which reset() and counts() walk through.
    for (const map of ["dp_host_peers", "dp_traffic"]) if (maps.has(map)) opened.map(map).setMaxEntries(ENTRIES);
    options.prepare?.(opened);
    const object = opened.load();
    const arranger = BpfObject.open(compileBpf(ARRANGE), { name: "arrange" }).load();
    if (name === "tproxy") await startSweep(object.program("dp_start_sweep"));
    const runner = new ProgramRunner(namespace, object, arranger, options.program ?? `dp_${name}`, maps);
    runner.reset();
    return runner;
  }

  /** The maps as they are with the two servers of the drawing. */
  reset(): void {
    for (const name of Object.keys(mapLayouts) as MapName[]) {
      // A change of an array of maps takes the kernel long. Player tables stay.
      const { type } = mapLayouts[name];
      if (this.has(name) && !ARRAYS.has(type)) this.clear(name);
    }
    if (this.has("dp_configs")) this.set("dp_configs", 0, CONFIG);
    if (this.has("dp_host_addrs")) {
      for (const address of HOST_ADDRESSES) this.set("dp_host_addrs", address, { ifindex: UPLINK.index });
    }
    if (this.has("dp_uplinks")) this.set("dp_uplinks", UPLINK.index, UPLINK.index);
    writeDropCounts(this, 0);
    for (const server of [A, B]) this.writeServer(server);
  }

  /** Writes a server into the maps; its containers are in the runner's network namespace. */
  writeServer(server: Server, details: ServerDetails = {}): void {
    for (const { counter } of details.forwards ?? [server]) this.#counters.add(counter);
    writeServer(this, server, { netnsCookie: this.netnsCookie, ...details });
  }

  addPlayerTable(id: number): void {
    const tables = this.playerTables();
    if (tables.id(id) !== undefined) return;
    using table = tables.createInner();
    tables.set(id, table);
  }

  /** dp_players, with the tables in it. */
  playerTables(): MapOfMaps<number, number, readonly number[]> {
    return this.#object.mapOfMaps(mapLayouts.dp_players);
  }

  /** Whether the object has this map. */
  has(name: MapName): boolean {
    return this.#maps.has(name);
  }

  /** One of the object's programs, for another to call. */
  program(name: string): Program {
    return this.#object.program(name);
  }

  /** An entry of a map; of a per-CPU map, the first CPU's. Throws when there is none. */
  get<Name extends MapName>(name: Name, key: KeyOf<Name>): ValueOf<Name> {
    const { map, isPerCpu } = this.#open(name);
    const value = map.get(key);
    if (value === undefined) throw new Error(`${name} has no such entry`);
    return (isPerCpu ? (value as unknown[])[0] : value) as ValueOf<Name>;
  }

  /** The entries of a map that is not per CPU, in no order. */
  entries<Name extends MapName>(name: Name): [KeyOf<Name>, ValueOf<Name>][] {
    return [...this.#open(name).map] as [KeyOf<Name>, ValueOf<Name>][];
  }

  /** The entries of a map as the kernel has them, as JSON of their bytes. */
  bytes(name: MapName): string[] {
    const { key, value } = mapLayouts[name] as MapLayout<unknown, unknown>;
    const entries = this.#object.map(name, bytes(key.size), bytes(value.size)).entries();
    return Array.from(entries, (entry) => JSON.stringify(entry)).sort();
  }

  /** Sets an entry of a map of the object; of a per-CPU map, for every CPU the same. */
  set<Name extends MapName>(name: Name, key: KeyOf<Name>, value: ValueOf<Name>): void {
    const { map, isPerCpu } = this.#open(name);
    // In the namespace: interfaces are entered by their index there.
    this.inside(() => map.set(key, isPerCpu ? Array.from({ length: possibleCpus() }, () => value) : value));
  }

  delete<Name extends MapName>(name: Name, key: KeyOf<Name>): void {
    this.#open(name).map.delete(key);
  }

  clear(name: MapName): void {
    this.#open(name).map.clear();
  }

  /** Returns a map, for another object to reuse. */
  lend(name: MapName): BpfMap<unknown, unknown> {
    return this.#open(name).map;
  }

  #open(name: MapName): { map: BpfMap<unknown, unknown>; isPerCpu: boolean } {
    const { key, value, type } = mapLayouts[name] as MapLayout<unknown, unknown>;
    const isPerCpu = type === MapType.perCpuHash || type === MapType.perCpuArray;
    return { map: this.#object.map<unknown, unknown>(name, key, isPerCpu ? perCpu(value) : value), isPerCpu };
  }

  run(frame: Uint8Array, options: RunOptions = {}): Outcome {
    const before = this.counts();
    const outcome = this.runUncounted(frame, options);
    return { ...outcome, counts: difference(before, this.counts()) };
  }

  /** {@link run} without the counters, in a tenth of the time. */
  runUncounted(frame: Uint8Array, options: RunOptions = {}): Omit<Outcome, "counts"> {
    const { cutTo = 0, tag, gsoSize, gsoSegs, checksumComplete = false } = options;
    const arranged = cutTo !== 0 || tag !== undefined;
    const underTest = this.#object.program(options.program ?? this.#program);
    const program = arranged ? this.#arranger.program("arrange") : underTest;
    if (arranged) this.#arranger.map("under_test", u32, u32).set(0, underTest.fd);
    const ctx = skbContext({
      ifindex: options.ifindex ?? this.#defaultIfindex,
      // The bit above the TCI says that there is a tag: the TCI may be zero.
      cb: [cutTo, tag === undefined ? 0 : tag | 0x10000, 0, 0, 0],
      ...(gsoSize === undefined ? {} : { gsoSize, gsoSegs: gsoSegs ?? 2 }),
    });
    const result = this.inside(() => program.testRun({ data: frame, ctx, checksumComplete }));
    const verdict = (VERDICTS as Record<number, Verdict>)[result.retval];
    if (verdict === undefined) throw new Error(`the program returned ${result.retval}`);
    return { verdict, packet: result.data.slice() };
  }

  /** All counters of all servers, summed over the CPUs. */
  counts(): Counts {
    const counts: Counts = {};
    const add = (name: string, value: bigint) => {
      counts[name] = (counts[name] ?? 0) + Number(value);
    };
    if (this.has("dp_traffic")) {
      for (const counter of this.#counters) {
        for (const traffic of this.#perCpu("dp_traffic", counter)) {
          for (const direction of ["in", "out"] as const) {
            add(`${counter} ${direction} packets`, traffic[direction].packets);
            add(`${counter} ${direction} bytes`, traffic[direction].bytes);
          }
        }
      }
    }
    if (this.has("dp_drop_counts")) {
      for (const id of this.#open("dp_drop_counts").map.keys() as Iterable<number>) {
        for (const { packets } of this.#perCpu("dp_drop_counts", id)) {
          packets.forEach((count, reason) => add(`${id} drop ${dpDropReasonNames[reason] ?? reason}`, count));
        }
      }
    }
    return counts;
  }

  #perCpu<Name extends MapName>(name: Name, key: KeyOf<Name>): ValueOf<Name>[] {
    return this.#open(name).map.get(key) as ValueOf<Name>[];
  }

  /** Attaches the program to its hook, for packets that interfaces receive. */
  attach(): void {
    const place = { ifindex: this.#defaultIfindex, direction: "ingress" } as const;
    const program = this.#object.program(this.#program);
    this.inside(() => {
      if (hasTcx()) this.#link = attachTcx({ program, ...place });
      else attachClsact(program, { ...place, priority: 1, handle: 1 });
    });
  }

  /** Runs `body` in the network namespace. */
  inside<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    return withNetns(this.#namespace, body);
  }

  [Symbol.dispose](): void {
    this.#link?.close();
    this.#arranger.close();
    this.#object.close();
    this.#namespace.close();
  }
}

/** Starts the sweep as the loader does: see dp_start_sweep. */
async function startSweep(program: Program): Promise<void> {
  while (program.testRun({ data: new Uint8Array(64) }).retval !== 0) await Bun.sleep(10);
}

/** Tries it on a packet that no program reads. Where the kernel cannot, says once which packets are left out. */
function canSumUp(program: Program): boolean {
  try {
    program.testRun({ data: new Uint8Array(64), checksumComplete: true });
    return true;
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === Errno.EINVAL)) throw error;
    if (!saidWhatIsLeftOut)
      console.warn("left out: packets with CHECKSUM_COMPLETE, which test runs have from Linux 6.15 on");
    saidWhatIsLeftOut = true;
    return false;
  }
}

let saidWhatIsLeftOut = false;
