/**
 * Finds programs that run on an interface without a pin in the pin root. These are clsact filters, which keep running
 * when the bpffs is unmounted, or links that are pinned in another mount namespace.
 */
import { queryClsact } from "../../libbpf/clsact.ts";
import { hasTcx } from "../../libbpf/feature.ts";
import { pinOver } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { queryTcx } from "../../libbpf/tcx.ts";
import { Undo } from "../upgrade/undo.ts";
import { slotOf } from "./attach-clsact.ts";
import type { AttachTarget, MechanismName } from "./mechanism.ts";
import { PinRoot } from "./pin-root.ts";
import {
  functionName,
  type HostInterfaceProgram,
  INTERFACE_PROGRAMS,
  type InterfaceProgram,
  programRow,
} from "./program-table.ts";
import { unlessGone } from "./unless-gone.ts";

/** A filter of datapath's on an interface of this network namespace. */
export interface AdoptableFilter {
  program: HostInterfaceProgram;
  iface: AttachTarget;
  /** The kernel's id of the program. */
  programId: number;
}

/** What the kernel keeps of a program's name. */
const NAME_LENGTH = 15;

/** The filters of datapath on an interface, of any pin root. Throws `SyscallError`. */
export function filtersOn(iface: AttachTarget): AdoptableFilter[] {
  return INTERFACE_PROGRAMS.flatMap((row) => {
    if (row.place === "container peer") return [];
    const programId = queryClsact(slotOf(row, iface.index));
    const program = row.name as HostInterfaceProgram;
    return programId !== undefined && isCalled(programId, program) ? [{ program, iface, programId }] : [];
  });
}

/**
 * How a program of any pin root is attached to an interface; undefined when it is not attached. Throws `SyscallError`.
 */
export function attachedBy(program: HostInterfaceProgram, iface: AttachTarget): MechanismName | undefined {
  if (filtersOn(iface).some((filter) => filter.program === program)) return "clsact";
  if (!hasTcx()) return undefined;
  const { entries } = queryTcx(iface.index, programRow(program).direction);
  return entries.some(({ programId }) => isCalled(programId, program)) ? "tcx" : undefined;
}

/** Whether a pin root has the pin of a filter. Throws nothing. */
export function isPinned(pinRoot: string, { program, iface }: AdoptableFilter): boolean {
  return new PinRoot(pinRoot).hasLink(program, iface.name);
}

/**
 * Pins filters under a root, as attaching does, so that their programs and maps can be found by the pins.
 * Throws `SyscallError`, and `DatapathError` FAILED when the root is not on a bpffs.
 */
export function adoptFilters(pinRoot: string, filters: readonly AdoptableFilter[]): void {
  const root = new PinRoot(pinRoot);
  using undo = new Undo();
  try {
    root.create(undo);
    for (const { program, iface, programId } of filters) {
      using running = Program.fromId(programId);
      pinOver(running.fd, root.link(program, iface.name));
    }
  } catch (error) {
    throw undo.because(error);
  }
}

function isCalled(programId: number, program: InterfaceProgram): boolean {
  using running = unlessGone(() => Program.fromId(programId));
  return running?.name === functionName(program).slice(0, NAME_LENGTH);
}
