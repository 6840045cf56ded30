import { objects as images } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { openPin } from "../libbpf/pin.ts";
import { Program } from "../libbpf/program.ts";
import type { MechanismName } from "./choose-mechanism.ts";
import { type Images, loadInto, type Prepare } from "./load.ts";
import { openMaps } from "./maps.ts";
import { Objects } from "./objects.ts";
import { DEFAULT_PIN_ROOT, functionName, PinRoot, PROGRAMS, type ProgramName } from "./pin-root.ts";

export interface OpenPinnedOptions {
  /** The folder everything is pinned under. Default /sys/fs/bpf. */
  pinRoot?: string;
  /** How to attach programs. Default: as DP_ATTACH says, else TCX links where the kernel has them, else clsact. */
  mechanism?: MechanismName;
}

export interface LoadBpfOptions extends OpenPinnedOptions {
  /**
   * How many servers there is room for. Default 65,536. It goes for maps that are made; on a root that is loaded with
   * another number it throws `DatapathError` CONFLICT.
   */
  maxServers?: number;
}

/**
 * Loads the programs into the kernel and pins them and their maps under the pin root, which must be on a bpffs.
 *
 * On a root that is loaded already, this is an upgrade: the pinned maps are kept with what is in them, the programs are
 * loaded anew and take their predecessors' pins. What is attached goes on running the old programs until the `attach`
 * functions swap them. Flows of containers live on: the timer of one keeps the program that set it. When anything
 * fails, everything is as it was before.
 *
 * Throws `VerifierError` with the verifier's log, `LayoutError` when a pinned map is not what this build reads and
 * writes, `UnsupportedError` without libbpf, `SyscallError` without the privileges.
 */
export function loadBpf(options: LoadBpfOptions = {}): Objects {
  const { dnat, snat, arp, tproxy } = images;
  return loadImages({ dnat: dnat(), snat: snat(), arp: arp(), tproxy: tproxy() }, options);
}

/** As {@link loadBpf}, with other object files than this package's own, or changed ones. */
export function loadImages(programs: Images, options: LoadBpfOptions = {}, prepare?: Prepare): Objects {
  const { maxServers } = options;
  if (maxServers !== undefined && (!Number.isInteger(maxServers) || maxServers < 1 || maxServers > 1_000_000)) {
    throw new DatapathError("BAD_USAGE", "load", `maxServers is ${maxServers}: expected 1 to 1000000`);
  }
  loadInto(new PinRoot(options.pinRoot ?? DEFAULT_PIN_ROOT), programs, maxServers, prepare);
  const opened = openPinned(options);
  try {
    opened.startHostCounters();
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * Opens a root that is loaded, without loading anything. Throws `DatapathError` NOT_LOADED when it is not, or not
 * wholly; `LayoutError` when a pinned map is not what this build reads and writes.
 */
export function openPinned(options: OpenPinnedOptions = {}): Objects {
  const root = new PinRoot(options.pinRoot ?? DEFAULT_PIN_ROOT);
  const programs: Partial<Record<ProgramName, Program>> = {};
  try {
    for (const name of PROGRAMS) programs[name] = requireProgram(root, name);
    const maps = openMaps(root);
    return new Objects(root, programs as Record<ProgramName, Program>, maps, options.mechanism);
  } catch (error) {
    for (const program of Object.values(programs)) program.close();
    throw error;
  }
}

function requireProgram(root: PinRoot, name: ProgramName): Program {
  const path = root.program(name);
  const fd = openPin(path, "program");
  if (fd !== undefined) return new Program(fd, functionName(name));
  throw new DatapathError("NOT_LOADED", `open ${root.path}`, "nothing is loaded there", { hint: "run `dp load`" });
}
