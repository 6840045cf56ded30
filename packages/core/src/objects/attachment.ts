import type { Program } from "../libbpf/program.ts";
import type { Interface } from "./interface.ts";
import type { ProgramName } from "./pin-root.ts";

/** One program on one interface, and where that is remembered. All of them run on ingress. */
export interface Place {
  program: ProgramName;
  iface: Interface;
  /** The pin that stands for it. */
  path: string;
  /** The pin of another family's program on the same interface. */
  pathOf(program: ProgramName): string;
}

/** How programs get onto an interface: TCX links, or clsact filters where the kernel has none. */
export interface Mechanism {
  readonly name: "tcx" | "clsact";
  /** Attaches and pins where nothing is pinned. Leaves nothing behind when it throws. */
  attach(place: Place, program: Program): void;
  /**
   * Swaps the program of what is pinned in one step. False when that is no longer on this interface: it was deleted, or
   * another one has its name now. Then the pin is gone.
   */
  update(place: Place, program: Program): boolean;
  /** Detaches and unpins. */
  detach(place: Pick<Place, "program" | "path"> & { ifaceName: string }): void;
  /** ifindex of the interface that what is pinned is on; 0 when that is gone. */
  ifindex(place: Pick<Place, "program" | "path"> & { ifaceName: string }): number;
}
