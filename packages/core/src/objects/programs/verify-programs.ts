import type { ObjectName } from "@dp/bpf";
import { UnsupportedError } from "@dp/sys";
import { MapType } from "../../libbpf/map-type.ts";
import { loadObject } from "./load-object.ts";
import { PROGRAM_TABLE, type ProgramName, type ProgramRow } from "./program-table.ts";

/** A program that this kernel cannot run. `dp` works without it. */
export interface UnsupportedProgram {
  program: ProgramName;
  /** What the kernel lacks, what follows from it, and what helps. */
  error: UnsupportedError;
}

/** The number of entries of a temporary map. */
const FEW = 1;
const HASHES = new Set<number>([MapType.hash, MapType.perCpuHash, MapType.lruHash, MapType.lruPerCpuHash]);

/**
 * Lets the kernel verify every program, with temporary maps. Nothing is pinned or replaced.
 *
 * @returns the programs that need what this kernel lacks, as the program table says. Any other program that the kernel
 *   refuses is thrown: `VerifierError`, `SyscallError`, `UnsupportedError`
 */
export function verifyPrograms(): UnsupportedProgram[] {
  return groups().flatMap((rows) => {
    const [first] = rows;
    const programs = rows.map(({ name }) => name);
    try {
      verify(first.object, programs);
      return [];
    } catch (error) {
      if (first.needs === undefined || !(error instanceof UnsupportedError)) throw error;
      return programs.map((program) => ({ program, error }));
    }
  });
}

type Group = [ProgramRow, ...ProgramRow[]];

/** Programs of one object that need the same are verified together, as they are loaded together. */
function groups(): Group[] {
  const found: Group[] = [];
  for (const row of PROGRAM_TABLE as readonly ProgramRow[]) {
    const group = found.find(([first]) => first.object === row.object && first.needs === row.needs);
    if (group === undefined) found.push([row]);
    else group.push(row);
  }
  return found;
}

function verify(object: ObjectName, programs: readonly ProgramName[]): void {
  const loaded = loadObject(object, {
    programs,
    prepare(open) {
      for (const map of open.maps()) if (HASHES.has(map.type)) map.setMaxEntries(FEW);
    },
  });
  loaded.close();
}
