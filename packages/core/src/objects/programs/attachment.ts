import type { Direction } from "../../libbpf/attach-type.ts";
import type { Program } from "../../libbpf/program.ts";
import type { Interface } from "../interface.ts";
import type { InterfaceProgram } from "./pin-root.ts";

/** As the kernel sees the interface: what leaves a container is its host peer's ingress. */
export const DIRECTION: Readonly<Record<InterfaceProgram, Direction>> = {
  dnat: "ingress",
  snat: "ingress",
  arp: "ingress",
  tproxy_container: "egress",
  tproxy_host: "egress",
};

/** One program on one interface, and where that is remembered. */
export interface Place {
  program: InterfaceProgram;
  /** Of the calling thread's network namespace. */
  iface: Interface;
  /** The pin that stands for it. */
  path: string;
  /** The pin of another program on the same interface. */
  pathOf(program: InterfaceProgram): string;
}

/** What a pin says of its place. Of a container peer it has the host peer's name. */
export type PinnedPlace = Pick<Place, "program" | "path"> & { ifaceName: string };

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
  detach(place: PinnedPlace): void;
  /** Gives what is pinned another pin, whatever has that: its interface was renamed. */
  rename(place: PinnedPlace, path: string): void;
  /** What is there of what is pinned. */
  state(place: PinnedPlace): AttachedState;
}

export interface AttachedState {
  /** Of the interface it is on; 0 when that is gone, or the program was taken off it. */
  ifindex: number;
  /** The kernel's number of the program that runs there; 0 when none does, undefined when that cannot be told here. */
  programId: number | undefined;
}

export const NOT_ATTACHED: AttachedState = { ifindex: 0, programId: 0 };
