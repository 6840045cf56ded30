import {
  attachClsact,
  attachTcx,
  destroyClsact,
  detachClsact,
  type Direction,
  hasFilters,
  hasTcx,
  makeClsact,
  type Program,
} from "@dp/core/libbpf";

export type Mechanism = "tcx" | "clsact";

/** TCX links need Linux 6.6; clsact filters are there since 4.5. The kernel is asked by trying, not by its version. */
export function bestMechanism(): Mechanism {
  return hasTcx() ? "tcx" : "clsact";
}

/** Attaches a program to an interface, until it is disposed of. */
export function attach(program: Program, ifindex: number, direction: Direction, mechanism: Mechanism): Disposable {
  // A link is this process's: whatever ends the process ends it, SIGKILL too.
  if (mechanism === "tcx") return attachTcx({ program, ifindex, direction, position: "first" });

  // A filter has no owner: it stays until it is removed, so a number of our own says which is ours. One that an
  // earlier run has left is replaced.
  const slot = { ifindex, direction, priority: 40_000, handle: 0xc0 };
  makeClsact(ifindex);
  attachClsact(program, slot);
  return {
    [Symbol.dispose]() {
      detachClsact(slot);
      // The qdisc is shared with other programs' filters.
      if (!hasFilters(ifindex, "ingress") && !hasFilters(ifindex, "egress")) destroyClsact(ifindex);
    },
  };
}
