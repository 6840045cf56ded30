import { checkLayouts } from "@dp/bpf";
import { currentNetns, DatapathError, netnsCookie } from "@dp/sys";
import { bytes, type Codec, u64 } from "../libbpf/codec.ts";
import { isPerCpu } from "../libbpf/map-type.ts";
import { BpfMap } from "../libbpf/map.ts";
import { BpfObject } from "../libbpf/object.ts";
import type { OpenObject } from "../libbpf/open-object.ts";
import type { OpenMap } from "../libbpf/open-parts.ts";
import { perCpu } from "../libbpf/per-cpu.ts";
import { openPin, pinOver, unpin } from "../libbpf/pin.ts";
import { LayoutError } from "./layout-error.ts";
import { checkPinnedMap, layoutOf } from "./maps.ts";
import { FAMILIES, type FamilyName, functionName, type PinRoot, type ProgramName } from "./pin-root.ts";
import { Undo } from "./undo.ts";

/** The object files, by family. */
export type Images = Readonly<Record<FamilyName, Uint8Array>>;

/** Changes an object before it is loaded. */
export type Prepare = (family: FamilyName, object: OpenObject) => void;

const FAMILY_NAMES = Object.keys(FAMILIES) as FamilyName[];

type AnyMap = BpfMap<unknown, unknown>;

/** Maps with one entry per server. The drops have one more: those of no server, under key 0. */
const PER_SERVER: Readonly<Record<string, number>> = {
  dp_dnat_targets: 0,
  dp_snat_targets: 0,
  dp_net_records: 0,
  dp_drop_counts: 1,
  dp_veth_pairs: 0,
  dp_host_peers: 0,
};

/**
 * Loads the programs and pins them, with the pinned maps reused and the missing ones made.
 *
 * All of it or nothing: programs go to their pins only after every one of them has passed the verifier, and what was
 * done by then is taken back when a pin fails. Attached programs are not touched: their links are updated after.
 */
export function loadInto(root: PinRoot, images: Images, maxServers?: number, prepare?: Prepare): void {
  for (const family of FAMILY_NAMES) checkImage(family, images[family]);
  using undo = new Undo();
  const loaded = new Map<FamilyName, BpfObject>();
  const maps = new Map<string, AnyMap>();
  try {
    root.create(undo);
    root.sweep();
    for (const family of FAMILY_NAMES)
      loaded.set(family, loadOne(family, images[family], root, maps, maxServers, prepare));
    startSweep(loaded.get("tproxy") as BpfObject);
    for (const [name, map] of maps) pinMap(map, root.map(name), undo);
    for (const [family, object] of loaded) {
      for (const program of FAMILIES[family]) pinProgram(object, program, root, undo);
    }
  } catch (error) {
    throw undo.because(error);
  } finally {
    for (const map of maps.values()) map.close();
    for (const object of loaded.values()) object.close();
  }
}

/** How often, 10 ms apart, the kernel is asked for memory that it gives only when it need not wait for anybody. */
const SWEEP_TRIES = 100;

/**
 * Has the kernel set aside what removes flows that get no timer of their own. Where it refuses for a whole second, the
 * programs go on asking, with each such flow.
 */
function startSweep(tproxy: BpfObject): void {
  const program = tproxy.program("dp_start_sweep");
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < SWEEP_TRIES; attempt++) {
    if (program.testRun({ data: new Uint8Array(64) }).retval === 0) return;
    Atomics.wait(clock, 0, 0, 10);
  }
}

function checkImage(family: FamilyName, image: Uint8Array): void {
  const [mismatch] = checkLayouts(image);
  if (mismatch === undefined) return;
  throw new LayoutError(`load BPF object ${family}`, mismatch, "the package is built wrong: build @dp/bpf anew");
}

/** Loads one object with the maps known so far, and adds its own to them. */
function loadOne(
  family: FamilyName,
  image: Uint8Array,
  root: PinRoot,
  maps: Map<string, AnyMap>,
  maxServers: number | undefined,
  prepare: Prepare | undefined,
): BpfObject {
  using open = BpfObject.open(image, { name: family });
  if (family === "tproxy") open.setVariable("dp_host_netns", u64, hostNetns());
  prepare?.(family, open);
  const declared = open.maps().filter((map) => !map.internal);
  const codecs = new Map<string, [Codec<unknown>, Codec<unknown>]>();
  for (const map of declared) {
    codecs.set(map.name, rawCodecs(map));
    const known = maps.get(map.name) ?? openPinned(map, root, maxServers);
    if (known !== undefined) {
      maps.set(map.name, known);
      map.reuse(known);
    } else if (maxServers !== undefined && map.name in PER_SERVER) {
      map.setMaxEntries(entriesFor(map.name, maxServers));
    }
  }
  const object = open.load();
  for (const [name, [key, value]] of codecs) {
    if (!maps.has(name)) maps.set(name, object.map(name, key, value));
  }
  return object;
}

/** Where the proxy is, whose sockets the programs are asked about: where the programs are loaded. */
function hostNetns(): bigint {
  using netns = currentNetns();
  return netnsCookie(netns);
}

function entriesFor(map: string, maxServers: number): number {
  return maxServers + (PER_SERVER[map] ?? 0);
}

/** The pinned map of that name, if it is one this build can work with. */
function openPinned(map: OpenMap, root: PinRoot, maxServers: number | undefined): AnyMap | undefined {
  const path = root.map(map.name);
  const fd = openPin(path, "map");
  if (fd === undefined) return undefined;
  try {
    const layout = layoutOf(map.name);
    if (layout !== undefined) checkPinnedMap(fd.number, layout, path);
    const [key, value] = rawCodecs(map);
    const pinned = new BpfMap(fd, key, value, { name: map.name });
    const wanted = maxServers === undefined ? undefined : entriesFor(map.name, maxServers);
    if (wanted !== undefined && map.name in PER_SERVER && wanted !== pinned.info.maxEntries) {
      const reason = `${path} has room for ${pinned.info.maxEntries} entries, and a map cannot change its size`;
      throw new DatapathError("CONFLICT", `load with room for ${maxServers} servers`, reason, {
        hint: "take everything out first (dp unload), then load with the new size",
      });
    }
    return pinned;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Maps are only handed on here, never read: their entries are bytes. */
function rawCodecs(map: OpenMap): [Codec<unknown>, Codec<unknown>] {
  const value = isPerCpu(map.type) ? perCpu(bytes(map.valueSize)) : bytes(map.valueSize);
  return [bytes(map.keySize) as Codec<unknown>, value as Codec<unknown>];
}

function pinMap(map: AnyMap, path: string, undo: Undo): void {
  using pinned = openPin(path, "map");
  if (pinned !== undefined) return;
  map.pin(path);
  undo.add(() => unpin(path));
}

function pinProgram(object: BpfObject, program: ProgramName, root: PinRoot, undo: Undo): void {
  const path = root.program(program);
  const before = openPin(path, "program");
  if (before !== undefined) undo.keep(before);
  undo.add(() => {
    if (before === undefined) unpin(path);
    else pinOver(before.number, path);
  });
  pinOver(object.program(functionName(program)).fd, path);
}
