import { checkLayouts, mapLayouts, type ObjectName, objects as images } from "@dp/bpf";
import { currentNetns, DatapathError, netnsCookie, sleepSync } from "@dp/sys";
import { u64 } from "../../libbpf/codec.ts";
import type { BpfObject } from "../../libbpf/object.ts";
import type { OpenObject } from "../../libbpf/open-object.ts";
import { pinOver } from "../../libbpf/pin.ts";
import type { Program } from "../../libbpf/program.ts";
import { rawCodecs, type RawMap } from "../../libbpf/raw-map.ts";
import { loadObject } from "../programs/load-object.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import {
  CGROUP_PROGRAMS,
  functionName,
  LOADED_OBJECTS,
  PINNED_PROGRAMS,
  type ProgramRow,
  RUN_PROGRAMS,
} from "../programs/program-table.ts";
import { copyEntries } from "./carry.ts";
import { holdFlows } from "./hold-flows.ts";
import type { MapName } from "./layout-change.ts";
import { LayoutError } from "./layout-error.ts";
import { pinnedServers } from "./map-sizes.ts";
import { PinSnapshot } from "./pin-snapshot.ts";
import { recoverPins } from "./recover-pins.ts";
import { isOlder, type KnownLayouts, newStamp, readStamp, requireKnownLayout } from "./stamp.ts";
import { type Replaced, takeOver, type TakeOverOptions } from "./take-over.ts";
import { Undo } from "./undo.ts";
import { resumeUpgrade } from "./upgrade.ts";

/** Object files instead of this package's. */
export type Images = Readonly<Partial<Record<ObjectName, Uint8Array>>>;

/** Changes an object before it is loaded. */
export type Prepare = (name: ObjectName, object: OpenObject) => void;

export interface LoadInto {
  images: Images;
  /** The version of the build that loads, for people. */
  build: string;
  maxServers?: number | undefined;
  prepare?: Prepare | undefined;
  layouts: KnownLayouts;
}

/**
 * Loads the programs and pins them. Pinned maps are kept; those of another layout or size are replaced by new ones with
 * the same contents, and stay pinned aside until finishUpgrade, for the programs that go on using them. Missing maps
 * are made.
 *
 * All of it or nothing: pins change only after every program has passed the verifier and every entry is copied, and are
 * restored when something fails. Attached programs are not touched: they are replaced after.
 */
export function loadInto(root: PinRoot, { images: other, build, maxServers, prepare, layouts }: LoadInto): void {
  for (const name of LOADED_OBJECTS) checkImage(name, other[name] ?? images[name]());
  const stamp = readStamp(root);
  requireKnownLayout(root, stamp, layouts);
  using undo = new Undo();
  try {
    root.create(undo);
    root.sweep();
    recoverPins(root);
    const servers = requireRoom(root, maxServers);
    const before = undo.keep(PinSnapshot.take(root));
    undo.add(() => before.restore());
    using loading = new Loading({ root, servers, mayDrop: isOlder(stamp, layouts) });
    for (const name of LOADED_OBJECTS) loading.load(name, other[name], prepare);
    loading.copy();
    loading.pin(build, layouts);
    for (const row of RUN_PROGRAMS) {
      if (row.when === "loaded" || loading.losesPlayers) runUntilDone(loading.program(row));
    }
    resumeUpgrade(root);
  } catch (error) {
    throw undo.because(error);
  }
}

/**
 * The number of servers there is to be room for. What is in the maps has its place by a server's id: they only grow.
 */
function requireRoom(root: PinRoot, maxServers: number | undefined): number | undefined {
  const now = pinnedServers(root);
  if (maxServers === undefined || now === undefined || maxServers >= now) return maxServers ?? now;
  const reason = `maxServers is ${maxServers}, and the maps have room for ${now} servers already: it can only grow`;
  throw new DatapathError("BAD_USAGE", "load", reason, { hint: "to have fewer, unload first: dp unload" });
}

/** The objects on their way into the kernel, with the maps they share. */
class Loading implements Disposable {
  readonly #options: TakeOverOptions;
  readonly #objects = new Map<ObjectName, BpfObject>();
  readonly #maps = new Map<string, RawMap>();
  readonly #replaced = new Map<string, Replaced>();
  readonly #made = new Set<string>();

  constructor(options: TakeOverOptions) {
    this.#options = options;
  }

  /** Loads one object with the maps known so far, and adds its own to them. */
  load(name: ObjectName, image: Uint8Array | undefined, prepare: Prepare | undefined): void {
    const codecs = new Map<string, ReturnType<typeof rawCodecs>>();
    const object = loadObject(name, {
      image,
      prepare: (open) => {
        if (CGROUP_PROGRAMS.some((row) => row.object === name)) tellHostNetns(open);
        prepare?.(name, open);
        for (const map of open.maps().filter(({ internal }) => !internal)) {
          codecs.set(map.name, rawCodecs(map.type, map.keySize, map.valueSize));
          const known = this.#maps.get(map.name);
          if (known !== undefined) map.reuse(known);
          else this.#takeOver(map);
        }
      },
    });
    this.#objects.set(name, object);
    for (const [map, [key, value]] of codecs) {
      if (this.#maps.has(map)) continue;
      this.#maps.set(map, object.map(map, key, value));
      this.#made.add(map);
    }
  }

  #takeOver(map: Parameters<typeof takeOver>[0]): void {
    const taken = takeOver(map, this.#options);
    if (taken === undefined) return;
    if ("old" in taken) this.#replaced.set(taken.name, taken);
    else this.#maps.set(map.name, taken);
  }

  /** Copies what is in the maps that are replaced. Programs go on writing into them: see finishUpgrade. */
  copy(): void {
    const { root } = this.#options;
    const isFlows = (name: string) => name === "dp_flows" || name === "dp_origins";
    const copy = ({ name, old, change }: Replaced) => copyEntries({ name, from: old, to: this.#map(name), change });
    const all = [...this.#replaced.values()];
    // The flows last, so that containers wait as short as possible; and the entry that says that they wait.
    const last = all.filter(({ name }) => isFlows(name) || name === "dp_configs");
    for (const each of all) if (!last.includes(each)) copy(each);
    // Also for flows of an upgrade that was not finished.
    if ([...all, ...root.replaced()].some(({ name }) => isFlows(name))) holdFlows(root, true);
    for (const each of last) copy(each);
  }

  /** Pins the maps that were replaced aside, then the new ones and the programs where they belong. */
  pin(build: string, layouts: KnownLayouts): void {
    const { root } = this.#options;
    // Each program keeps all maps, also those it does not use: one that runs is enough to find them again.
    for (const row of PINNED_PROGRAMS) for (const map of this.#maps.values()) this.program(row).bindMap(map);
    for (const { name, old } of this.#replaced.values()) pinOver(old.fd, root.pathForReplaced(name, old.info.id));
    // From here on, older builds refuse this root.
    const meta = mapLayouts.dp_meta;
    this.#map("dp_meta").set(meta.key.write(0), [meta.value.write(newStamp(build, layouts))]);
    for (const name of this.#made) pinOver(this.#map(name).fd, root.map(name));
    for (const row of PINNED_PROGRAMS) pinOver(this.program(row).fd, root.program(row.name));
  }

  /** Whether there are servers whose table of players is new and empty. */
  get losesPlayers(): boolean {
    const isShared = this.#replaced.get("dp_players" satisfies MapName)?.sameInner === true;
    return this.#made.has("dp_players") && !isShared && !this.#map("dp_servers").keys().next().done;
  }

  program({ name, object }: Pick<ProgramRow, "name" | "object">): Program {
    return (this.#objects.get(object) as BpfObject).program(functionName(name));
  }

  #map(name: string): RawMap {
    return this.#maps.get(name) as RawMap;
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps.values()) map.close();
    for (const { old } of this.#replaced.values()) old.close();
    for (const object of this.#objects.values()) object.close();
  }
}

/** How often, 10 ms apart, the kernel is asked for memory that it gives only when it need not wait. */
const RUN_TRIES = 100;

/**
 * Runs a program until it returns 0. dp_start_sweep has the kernel reserve memory; where the kernel refuses for a whole
 * second, the programs go on asking, with each flow that needs it.
 */
function runUntilDone(program: Program): void {
  for (let attempt = 0; attempt < RUN_TRIES; attempt++) {
    if (program.testRun({ data: new Uint8Array(64) }).retval === 0) return;
    sleepSync(10);
  }
}

function checkImage(name: ObjectName, image: Uint8Array): void {
  const [mismatch] = checkLayouts(image);
  if (mismatch === undefined) return;
  throw new LayoutError(`load BPF object ${name}`, mismatch, "the package is built wrong: build @dp/bpf anew");
}

/**
 * Programs on the proxy's cgroup are told which sockets are the proxy's: those of the namespace they are loaded from.
 */
function tellHostNetns(open: OpenObject): void {
  using netns = currentNetns();
  open.setVariable("dp_host_netns", u64, netnsCookie(netns));
}
