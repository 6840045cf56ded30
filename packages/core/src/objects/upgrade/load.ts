import { checkLayouts, mapLayouts } from "@dp/bpf";
import { currentNetns, netnsCookie, sleepSync } from "@dp/sys";
import { u64 } from "../../libbpf/codec.ts";
import { BpfObject } from "../../libbpf/object.ts";
import type { OpenObject } from "../../libbpf/open-object.ts";
import { pinOver } from "../../libbpf/pin.ts";
import type { Program } from "../../libbpf/program.ts";
import { rawCodecs, type RawMap } from "../../libbpf/raw-map.ts";
import { FAMILIES, type FamilyName, functionName, type PinRoot } from "../programs/pin-root.ts";
import { copyEntries } from "./carry.ts";
import { holdFlows } from "./hold-flows.ts";
import { LayoutError } from "./layout-error.ts";
import { PinSnapshot } from "./pin-snapshot.ts";
import { recoverPins } from "./recover-pins.ts";
import { isOlder, newStamp, readStamp, requireNotNewer } from "./stamp.ts";
import { type Replaced, takeOver, type TakeOverOptions } from "./take-over.ts";
import { Undo } from "./undo.ts";
import { resumeUpgrade } from "./upgrade.ts";

/** The object files, by family. */
export type Images = Readonly<Record<FamilyName, Uint8Array>>;

/** Changes an object before it is loaded. */
export type Prepare = (family: FamilyName, object: OpenObject) => void;

export interface LoadInto {
  images: Images;
  /** The version of who loads, for people. */
  build: string;
  maxServers?: number | undefined;
  prepare?: Prepare | undefined;
}

const FAMILY_NAMES = Object.keys(FAMILIES) as FamilyName[];

/**
 * Loads the programs and pins them. Pinned maps are kept; those of another layout or size get a new one in their place
 * with what is in them, and stay pinned aside until finishUpgrade, for the programs that go on using them. The missing
 * ones are made.
 *
 * All of it or nothing: pins change only after every program has passed the verifier and every entry is copied, and are
 * put back when something fails. Attached programs are not touched: their links are updated after.
 */
export function loadInto(root: PinRoot, { images, build, maxServers, prepare }: LoadInto): void {
  for (const family of FAMILY_NAMES) checkImage(family, images[family]);
  const stamp = readStamp(root);
  requireNotNewer(root, stamp);
  using undo = new Undo();
  try {
    root.create(undo);
    root.sweep();
    recoverPins(root);
    const before = undo.keep(PinSnapshot.take(root));
    undo.add(() => before.restore());
    using loading = new Loading({ root, maxServers, mayDrop: isOlder(stamp) });
    for (const family of FAMILY_NAMES) loading.load(family, images[family], prepare);
    loading.copy();
    loading.pin(build);
    if (loading.startsPlayers) runOnce(loading.program("dnat", "dp_start_players"));
    startSweep(loading.program("tproxy", "dp_start_sweep"));
    resumeUpgrade(root);
  } catch (error) {
    throw undo.because(error);
  }
}

/** The objects on their way into the kernel, with the maps they share. */
class Loading implements Disposable {
  readonly #options: TakeOverOptions;
  readonly #objects = new Map<FamilyName, BpfObject>();
  readonly #maps = new Map<string, RawMap>();
  readonly #replaced = new Map<string, Replaced>();
  readonly #made = new Set<string>();

  constructor(options: TakeOverOptions) {
    this.#options = options;
  }

  /** Loads one object with the maps known so far, and adds its own to them. */
  load(family: FamilyName, image: Uint8Array, prepare: Prepare | undefined): void {
    using open = BpfObject.open(image, { name: family });
    if (family === "tproxy") open.setVariable("dp_host_netns", u64, hostNetns());
    prepare?.(family, open);
    const codecs = new Map<string, ReturnType<typeof rawCodecs>>();
    for (const map of open.maps().filter(({ internal }) => !internal)) {
      codecs.set(map.name, rawCodecs(map.type, map.keySize, map.valueSize));
      const known = this.#maps.get(map.name);
      if (known !== undefined) map.reuse(known);
      else this.#takeOver(map);
    }
    const object = open.load();
    this.#objects.set(family, object);
    for (const [name, [key, value]] of codecs) {
      if (this.#maps.has(name)) continue;
      this.#maps.set(name, object.map(name, key, value));
      this.#made.add(name);
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
    // The flows last, so that containers wait as little as can be; and what says that they wait.
    const last = all.filter(({ name }) => isFlows(name) || name === "dp_configs");
    for (const each of all) if (!last.includes(each)) copy(each);
    // Also for flows of an upgrade that was not finished.
    if ([...all, ...root.replaced()].some(({ name }) => isFlows(name))) holdFlows(root, true);
    for (const each of last) copy(each);
  }

  /** Pins the maps that were replaced aside, then the new ones and the programs where they belong. */
  pin(build: string): void {
    const { root } = this.#options;
    // Each holds on to all maps, also to those it does not use: one that runs is enough to find them again.
    for (const program of this.#programs()) for (const map of this.#maps.values()) program.bindMap(map);
    for (const { name, old } of this.#replaced.values()) pinOver(old.fd, root.pathForReplaced(name, old.info.id));
    // From here on, older builds keep their hands off.
    const meta = mapLayouts.dp_meta;
    this.#map("dp_meta").set(meta.key.write(0), [meta.value.write(newStamp(build))]);
    for (const name of this.#made) pinOver(this.#map(name).fd, root.map(name));
    for (const family of FAMILY_NAMES) {
      for (const program of FAMILIES[family]) {
        pinOver(this.program(family, functionName(program)).fd, root.program(program));
      }
    }
  }

  /** Whether servers may have players whom nobody has noted. */
  get startsPlayers(): boolean {
    return this.#made.has("dp_players") && !this.#map("dp_snat_targets").keys().next().done;
  }

  program(family: FamilyName, name: string): Program {
    return (this.#objects.get(family) as BpfObject).program(name);
  }

  *#programs(): Generator<Program> {
    for (const family of FAMILY_NAMES) {
      for (const program of FAMILIES[family]) yield this.program(family, functionName(program));
    }
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

/** How often, 10 ms apart, the kernel is asked for memory that it gives only when it need not wait for anybody. */
const SWEEP_TRIES = 100;

/**
 * Has the kernel set aside what removes flows that get no timer of their own. Where it refuses for a whole second, the
 * programs go on asking, with each such flow.
 */
function startSweep(program: Program): void {
  for (let attempt = 0; attempt < SWEEP_TRIES; attempt++) {
    if (runOnce(program) === 0) return;
    sleepSync(10);
  }
}

function runOnce(program: Program): number {
  return program.testRun({ data: new Uint8Array(64) }).retval;
}

function checkImage(family: FamilyName, image: Uint8Array): void {
  const [mismatch] = checkLayouts(image);
  if (mismatch === undefined) return;
  throw new LayoutError(`load BPF object ${family}`, mismatch, "the package is built wrong: build @dp/bpf anew");
}

/** Where the proxy is, whose sockets the programs are asked about: where the programs are loaded. */
function hostNetns(): bigint {
  using netns = currentNetns();
  return netnsCookie(netns);
}
