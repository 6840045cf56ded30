/**
 * Programs that run on an interface and that no pin of a root stands for: of clsact filters, which live on when the
 * bpffs is unmounted, or of links that are pinned out of sight.
 */
import { Errno, SyscallError } from "@dp/sys";
import { queryClsact } from "../../libbpf/clsact.ts";
import { hasTcx } from "../../libbpf/feature.ts";
import { pinOver } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { queryTcx } from "../../libbpf/tcx.ts";
import type { Interface } from "../interface.ts";
import { Undo } from "../upgrade/undo.ts";
import { slotOf } from "./attach-clsact.ts";
import { DIRECTION } from "./attachment.ts";
import { functionName, type InterfaceProgram, PinRoot } from "./pin-root.ts";

/** A filter of datapath's on an interface of this network namespace. */
export interface Filter {
  program: Exclude<InterfaceProgram, "tproxy_container">;
  iface: Pick<Interface, "name" | "index">;
  programId: number;
}

/** What the kernel keeps of a program's name. */
const NAME_LENGTH = 15;

/** The filters of datapath's on this interface, whoever attached them. */
export function filtersOn(iface: Filter["iface"]): Filter[] {
  return (["dnat", "snat", "arp", "tproxy_host"] as const).flatMap((program) => {
    const programId = queryClsact(slotOf(program, iface.index));
    return programId !== undefined && isCalled(programId, program) ? [{ program, iface, programId }] : [];
  });
}

/** How a host peer is guarded by dp_snat; undefined when it is not. */
export function guardOf(iface: Filter["iface"]): "tcx" | "clsact" | undefined {
  if (filtersOn(iface).some(({ program }) => program === "snat")) return "clsact";
  if (!hasTcx()) return undefined;
  const { entries } = queryTcx(iface.index, DIRECTION.snat);
  return entries.some(({ programId }) => isCalled(programId, "snat")) ? "tcx" : undefined;
}

/** Pins filters under a root, as if they had been attached from there: what they hold can then be found again. */
export function adoptFilters(pinRoot: string, filters: readonly Filter[]): void {
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
  try {
    using running = Program.fromId(programId);
    return running.name === functionName(program).slice(0, NAME_LENGTH);
  } catch (error) {
    // Gone meanwhile.
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return false;
    throw error;
  }
}
