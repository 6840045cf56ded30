import { objects as images } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { openPin } from "../libbpf/pin.ts";
import { Program } from "../libbpf/program.ts";
import type { MechanismName } from "./choose-mechanism.ts";
import { type Images, loadInto, type Prepare } from "./load.ts";
import { missingMap, openMaps, type Opening } from "./maps.ts";
import { Objects } from "./objects.ts";
import { DEFAULT_PIN_ROOT, functionName, PinRoot, PROGRAMS, type ProgramName } from "./pin-root.ts";
import { PinSnapshot } from "./pin-snapshot.ts";
import { recoverPins } from "./recover-pins.ts";
import { needsLoad, readStamp, requireNotNewer } from "./stamp.ts";

/** Which root, and how programs are attached there. */
export interface OpenPinnedOptions {
  /** The folder everything is pinned under. Default /sys/fs/bpf. */
  pinRoot?: string;
  /**
   * How to attach programs where none is attached yet: what is attached decides otherwise, because programs of two
   * mechanisms would run in another order. Default: TCX links where the kernel has them, else clsact filters.
   */
  mechanism?: MechanismName;
}

/** What is loaded, and where to. */
export interface LoadBpfOptions extends OpenPinnedOptions {
  /**
   * How many servers there is room for. Default: as many as before, or 65,536. When it is another number than before,
   * the maps are replaced, as when their layout changed; `MapFullError` when it is too small for what is in them.
   */
  maxServers?: number;
  /** The version of who loads, for people to read when another build finds it. */
  build?: string;
}

/**
 * Loads the programs into the kernel and pins them and their maps under the pin root, which must be on a bpffs.
 *
 * On a root that is loaded already, this is an upgrade: the pinned maps are kept with what is in them, the programs are
 * loaded anew and take their predecessors' pins. What is attached goes on running the old programs until the `attach`
 * functions swap them. Flows of containers live on: the timer of one keeps the program that set it. Maps that an older
 * build made with another layout are replaced, with what is in them; then {@link Objects.finishUpgrade} has to be
 * called once all programs are swapped. When anything fails, everything is as it was before.
 *
 * What was loaded only in part, because pins were removed, is made whole: a map that programs still use is pinned
 * again.
 *
 * Throws `VerifierError` with the verifier's log, `LayoutError` when what is in a pinned map cannot be carried over,
 * `DatapathError` CONFLICT when a newer build made the maps, `UnsupportedError` without libbpf, `SyscallError` without
 * the privileges.
 */
export function loadBpf(options: LoadBpfOptions = {}): Objects {
  const { dnat, snat, arp, tproxy } = images;
  return loadImages({ dnat: dnat(), snat: snat(), arp: arp(), tproxy: tproxy() }, options);
}

/** As {@link loadBpf}, with other object files than this package's own, or changed ones. */
export function loadImages(programs: Images, options: LoadBpfOptions = {}, prepare?: Prepare): Objects {
  const { maxServers, build = "" } = options;
  if (maxServers !== undefined && (!Number.isInteger(maxServers) || maxServers < 1 || maxServers > 1_000_000)) {
    throw new DatapathError("BAD_USAGE", "load", `maxServers is ${maxServers}: expected 1 to 1000000`);
  }
  const root = rootOf(options);
  const { progs, maps } = root.pins();
  const isFirst = progs.length === 0 && maps.length === 0;
  loadInto(root, { images: programs, build, maxServers, prepare });
  const opened = openRoot(root, "known", options);
  try {
    opened.startHostCounters();
    return opened;
  } catch (error) {
    // Only a first load has something to start.
    if (isFirst) opened.unpinAll();
    opened.close();
    throw error;
  }
}

/**
 * Opens a root that is loaded, without loading anything. What an older build has loaded, or an upgrade that was killed
 * has left, can be read; it should not be changed before it was loaded anew: see {@link Objects.needsLoad}.
 *
 * Throws `DatapathError` NOT_LOADED when it is not loaded, or not wholly; CONFLICT when a newer build has loaded it;
 * `LayoutError` when a pinned map is not what this build can read.
 */
export function openPinned(options: OpenPinnedOptions = {}): Objects {
  const root = rootOf(options);
  return openRoot(root, needsLoad(root) === undefined ? "known" : "any", options);
}

/**
 * Opens whatever there is of a root, to load it anew or to take it down: programs and maps may be missing. What was in
 * maps that are gone for good is not there; those that programs still use are pinned again. undefined when nothing is
 * loaded there. Throws as {@link openPinned}.
 */
export function openPrevious(options: OpenPinnedOptions = {}): Objects | undefined {
  const root = rootOf(options);
  const { progs, maps } = root.pins();
  if (progs.length === 0 && maps.length === 0) return undefined;
  requireNotNewer(root, readStamp(root));
  recoverPins(root);
  return openRoot(root, "partly", options);
}

/**
 * The programs and maps that are pinned under a root, to be put back when a load, or what comes after it, fails. Take
 * it before, restore it once what was attached is swapped back.
 * Throws `SyscallError` without the privileges.
 */
export function snapshotPins(options: Pick<OpenPinnedOptions, "pinRoot"> = {}): PinSnapshot {
  return PinSnapshot.take(rootOf(options));
}

function rootOf({ pinRoot }: OpenPinnedOptions): PinRoot {
  return new PinRoot(pinRoot ?? DEFAULT_PIN_ROOT);
}

function openRoot(root: PinRoot, opening: Opening, { mechanism }: OpenPinnedOptions): Objects {
  const stamp = readStamp(root);
  requireNotNewer(root, stamp);
  const programs: Partial<Record<ProgramName, Program>> = {};
  try {
    for (const name of PROGRAMS) {
      const program = opening === "partly" ? findProgram(root, name) : requireProgram(root, name);
      if (program !== undefined) programs[name] = program;
    }
    if (stamp === undefined && opening !== "partly") throw missingMap(root, "dp_meta");
    const maps = openMaps(root, opening);
    return new Objects(root, programs, maps, mechanism);
  } catch (error) {
    for (const program of Object.values(programs)) program.close();
    throw error;
  }
}

function findProgram(root: PinRoot, name: ProgramName): Program | undefined {
  const fd = openPin(root.program(name), "program");
  return fd === undefined ? undefined : new Program(fd, functionName(name));
}

function requireProgram(root: PinRoot, name: ProgramName): Program {
  const program = findProgram(root, name);
  if (program !== undefined) return program;
  throw new DatapathError("NOT_LOADED", `open ${root.path}`, "nothing is loaded there", { hint: "run `dp load`" });
}
