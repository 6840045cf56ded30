import { DatapathError } from "@dp/sys";
import { hasTcx } from "../../libbpf/feature.ts";
import type { Program } from "../../libbpf/program.ts";
import type { Interface } from "../interface.ts";
import type { InterfaceProgram, InterfaceProgramRow } from "./program-table.ts";

/** How programs are attached to interfaces: by TCX links, or by clsact filters where the kernel has no TCX. */
export type MechanismName = "tcx" | "clsact";

/**
 * The mechanism that was asked for, else TCX where this kernel has it. Throws `DatapathError` BAD_USAGE for another
 * word, `SyscallError` without the privileges to ask the kernel.
 */
export function chooseMechanism(asked?: MechanismName): MechanismName {
  if (asked === undefined) return hasTcx() ? "tcx" : "clsact";
  if (asked === "tcx" || asked === "clsact") return asked;
  const reason = `${JSON.stringify(asked)} is not a mechanism`;
  throw new DatapathError("BAD_USAGE", "choose how to attach programs", reason, { hint: "tcx or clsact" });
}

/** An interface of the calling thread's network namespace, as far as attaching needs to know it. */
export type AttachTarget = Pick<Interface, "index" | "name">;

/** One program on one interface, and the pin that keeps it. */
export interface Place {
  row: InterfaceProgramRow;
  iface: AttachTarget;
  path: string;
  /** The pin of another program on the same interface. */
  pathOf(program: InterfaceProgram): string;
}

/** A pinned attachment, as its pin names it. For a container peer, `ifaceName` is the name of the host peer. */
export type PinnedPlace = Pick<Place, "row" | "path"> & { ifaceName: string };

/** The operations of a mechanism. */
export interface Mechanism {
  readonly name: MechanismName;
  /** Attaches and pins where nothing is pinned. Leaves nothing behind when it throws. */
  attach(place: Place, program: Program): void;
  /**
   * Replaces the program of a pinned attachment in one step. False when it is no longer on this interface: the
   * interface was deleted, or another one has its name now. Then the pin is gone.
   */
  update(place: Place, program: Program): boolean;
  /** Detaches and unpins. */
  detach(place: PinnedPlace): void;
  /** Moves a pinned attachment to another pin, over what is pinned there: its interface was renamed. */
  rename(place: PinnedPlace, path: string): void;
  /** The state of a pinned attachment. */
  state(place: PinnedPlace): AttachedState;
}

export interface AttachedState {
  /** 0 when the interface is gone, or the program was detached from it. */
  ifindex: number;
  /** The kernel's id of the program that runs there; 0 when none does, undefined when that cannot be told here. */
  programId: number | undefined;
}

export const NOT_ATTACHED: AttachedState = { ifindex: 0, programId: 0 };
