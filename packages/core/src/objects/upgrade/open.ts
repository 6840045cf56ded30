import { DatapathError } from "@dp/sys";
import { openMaps, type Opening } from "../maps.ts";
import { Objects } from "../objects.ts";
import { Attachments } from "../programs/attachments.ts";
import { LoadedPrograms } from "../programs/loaded-programs.ts";
import type { MechanismName } from "../programs/mechanism.ts";
import { missingPins } from "../programs/missing-pins.ts";
import { DEFAULT_PIN_ROOT, PinRoot } from "../programs/pin-root.ts";
import { type Images, loadInto, type Prepare } from "./load.ts";
import { PinSnapshot } from "./pin-snapshot.ts";
import { recoverPins } from "./recover-pins.ts";
import { KNOWN_LAYOUTS, type KnownLayouts, needsLoad, readStamp, requireKnownLayout } from "./stamp.ts";

/** Which root, and how programs are attached there. */
export interface OpenPinnedOptions {
  /** The folder everything is pinned under. Default /sys/fs/bpf. */
  pinRoot?: string;
  /**
   * How to attach programs to interfaces. What is attached already decides first. Default: TCX links where the kernel
   * has them, else clsact filters.
   */
  mechanism?: MechanismName;
}

/** What is loaded, and where to. */
export interface LoadBpfOptions extends OpenPinnedOptions {
  /**
   * How many servers there is room for, 1 to 65,536. Default: as many as before, or 4,096. For more than before, the
   * maps are replaced by larger ones, as when their layout changed.
   */
  maxServers?: number;
  /** The version of the build that loads, for people to read when another build finds it. */
  build?: string;
}

const MOST_SERVERS = 65_536;

/** What tests load and open with: other objects, changed ones, and as if this build had another layout. */
export interface BuildOptions {
  images?: Images;
  prepare?: Prepare;
  layouts?: KnownLayouts;
}

/**
 * Loads the programs into the kernel and pins them and their maps under the pin root, which must be on a bpffs.
 *
 * On a root that is loaded already, this is an upgrade: the pinned maps are kept with what is in them, the programs are
 * loaded anew and take the pins of those before. What is attached goes on running the old programs until the `attach`
 * methods replace them. Flows of containers live on: the timer of a flow keeps the program that set it. Maps that an
 * older build made with another layout are replaced, with what is in them; then {@link Objects.finishUpgrade} has to be
 * called once all programs are replaced. When anything fails, everything is as it was before.
 *
 * What was loaded only in part, because pins were removed, is made whole: a map that programs still use is pinned
 * again.
 *
 * Throws `VerifierError` with the verifier's log, `LayoutError` when what is in a pinned map cannot be carried over,
 * `DatapathError` CONFLICT when a newer build made the maps, or one so old that its layout is not migrated, and
 * BAD_USAGE for a `maxServers` that cannot be; `UnsupportedError` without libbpf, `SyscallError` without the
 * privileges.
 */
export function loadBpf(options: LoadBpfOptions = {}): Objects {
  return loadBuild(options);
}

/** As {@link loadBpf}, for tests. */
export function loadBuild(options: LoadBpfOptions = {}, other: BuildOptions = {}): Objects {
  const { maxServers, build = "" } = options;
  const { images = {}, prepare, layouts = KNOWN_LAYOUTS } = other;
  if (maxServers !== undefined && (!Number.isInteger(maxServers) || maxServers < 1 || maxServers > MOST_SERVERS)) {
    throw new DatapathError("BAD_USAGE", "load", `maxServers is ${maxServers}: it must be from 1 to ${MOST_SERVERS}`);
  }
  const root = rootOf(options);
  const isFirst = isEmpty(root);
  loadInto(root, { images, build, maxServers, prepare, layouts });
  const opened = openRoot(root, "known", options, layouts);
  try {
    opened.drops.start();
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
 * Throws `DatapathError` NOT_LOADED when it is not loaded, or not wholly; CONFLICT when a newer build has loaded it, or
 * one so old that its layout is not migrated; `LayoutError` when a pinned map is not what this build can read.
 */
export function openPinned(options: OpenPinnedOptions = {}, { layouts = KNOWN_LAYOUTS }: BuildOptions = {}): Objects {
  const root = rootOf(options);
  return openRoot(root, needsLoad(root, layouts) === undefined ? "known" : "any", options, layouts);
}

/**
 * Opens whatever there is of a root, to load it anew or to take it down: programs and maps may be missing. What was in
 * maps that are gone for good is not there; those that programs still use are pinned again. undefined when nothing is
 * loaded there. Throws as {@link openPinned}.
 */
export function openPrevious(
  options: OpenPinnedOptions = {},
  { layouts = KNOWN_LAYOUTS }: BuildOptions = {},
): Objects | undefined {
  const root = rootOf(options);
  if (isEmpty(root)) return undefined;
  requireKnownLayout(root, readStamp(root), layouts);
  recoverPins(root);
  return openRoot(root, "partly", options, layouts);
}

/**
 * The programs and maps that are pinned under a root, to be put back when a load, or what comes after it, fails. Take
 * it before, restore it once the programs that were attached are attached again.
 * Throws `SyscallError` without the privileges.
 */
export function snapshotPins(options: Pick<OpenPinnedOptions, "pinRoot"> = {}): PinSnapshot {
  return PinSnapshot.take(rootOf(options));
}

function rootOf({ pinRoot }: OpenPinnedOptions): PinRoot {
  return new PinRoot(pinRoot ?? DEFAULT_PIN_ROOT);
}

function isEmpty(root: PinRoot): boolean {
  const { progs, maps } = root.pins();
  return progs.length === 0 && maps.length === 0;
}

function openRoot(root: PinRoot, opening: Opening, { mechanism }: OpenPinnedOptions, layouts: KnownLayouts): Objects {
  requireKnownLayout(root, readStamp(root), layouts);
  if (opening !== "partly") requirePins(root);
  const programs = LoadedPrograms.open(root);
  try {
    const maps = openMaps(root, opening);
    const uplinks = () => [...maps.uplinks.keys()];
    return new Objects(root, maps, new Attachments({ root, programs, mechanism, uplinks }));
  } catch (error) {
    programs[Symbol.dispose]();
    throw error;
  }
}

function requirePins(root: PinRoot): void {
  const [first] = missingPins(root);
  if (first === undefined) return;
  const reason = isEmpty(root) ? "nothing is loaded there" : `it is loaded only in part: ${first} is missing`;
  throw new DatapathError("NOT_LOADED", `open ${root.path}`, reason, { hint: "run `dp load`" });
}
