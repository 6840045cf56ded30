/** The one way to load an object. */
import { type ObjectName, objects as images } from "@dp/bpf";
import { setNetfilterType } from "../../libbpf/netfilter.ts";
import { BpfObject } from "../../libbpf/object.ts";
import type { OpenObject } from "../../libbpf/open-object.ts";
import { functionName, type ProgramName, programsOf } from "./program-table.ts";
import { explainRefusal } from "./unsupported-program.ts";

/** Which programs of an object are loaded, and how. */
export interface LoadObjectOptions {
  /** The object file. Default: this package's. */
  image?: Uint8Array | undefined;
  /** Which of its programs are loaded. Default: all. */
  programs?: readonly ProgramName[];
  /** Runs before the object is loaded: sets variables, sizes of maps, and maps to reuse. */
  prepare?: (object: OpenObject) => void;
}

/**
 * Loads an object into the kernel. Nothing is pinned or attached: closing it unloads it.
 *
 * Throws `UnsupportedError` when this kernel lacks what the program table says that one of the programs needs,
 * `VerifierError` with the verifier's log when a program is refused, `SyscallError` otherwise.
 */
export function loadObject(name: ObjectName, options: LoadObjectOptions = {}): BpfObject {
  const { image = images[name](), programs, prepare } = options;
  const rows = programsOf(name).filter((row) => programs === undefined || programs.includes(row.name));
  using open = BpfObject.open(image, { name });
  if (programs !== undefined) {
    const loaded = new Set(programs.map(functionName));
    for (const program of open.programs()) program.setAutoload(loaded.has(program.name));
  }
  for (const row of rows) {
    // libbpf knows this section from 1.3 on.
    if (row.hook === "netfilter") setNetfilterType(open.program(functionName(row.name)));
  }
  prepare?.(open);
  try {
    return open.load();
  } catch (error) {
    throw explainRefusal(error, rows);
  }
}
