/** The clsact qdisc that our filters stand in. Other software may use it too; it is removed if it was made here. */
import { basename, dirname, join } from "node:path";
import { destroyClsact, makeClsact } from "../../libbpf/clsact.ts";
import { hasFilters } from "../../libbpf/filter-dump.ts";
import { pin, pinnedKind, pinOver, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import type { PinnedPlace } from "./mechanism.ts";
import { functionName } from "./program-table.ts";

type PinnedTo = Pick<PinnedPlace, "row" | "path">;

/**
 * Makes the qdisc unless there is one. That it was made here is kept as one more pin of the program, as long as the
 * pins of our filters: `dp_clsact_eth0`.
 *
 * @param first whether none of our filters is on the interface: then a qdisc that is there is not ours
 * @returns what takes it back
 */
export function provideQdisc(place: PinnedTo, ifindex: number, program: Program, first: boolean): () => void {
  const marker = markerOf(place);
  const known = pinnedKind(marker) !== undefined;
  // Before the qdisc: killed in between, what there is to remove is known.
  if (!known) pin(program.fd, marker);
  let made = false;
  try {
    made = makeClsact(ifindex);
  } finally {
    if (!made && (first || !known)) unpin(marker);
  }
  if (!made) return () => {};
  return () => {
    removeUnused(ifindex);
    unpin(marker);
  };
}

/** Removes the qdisc if it was made here and has no filters any more. */
export function releaseQdisc(place: PinnedTo, ifindex: number): void {
  const marker = markerOf(place);
  if (pinnedKind(marker) !== undefined && removeUnused(ifindex)) unpin(marker);
}

/** Keeps what is known of a qdisc when its interface was renamed. `renameFilter` moves the pin of the filter. */
export function renameQdisc(from: PinnedTo, to: PinnedTo, renameFilter: () => void): void {
  using made = Program.findPin(markerOf(from));
  // Under both names while the filter is renamed: killed in between, it can be removed by either.
  if (made !== undefined) pinOver(made.fd, markerOf(to));
  renameFilter();
  unpin(markerOf(from));
}

/** Its interface is gone, and it with it. */
export function forgetQdisc(place: PinnedTo): void {
  unpin(markerOf(place));
}

/** The kernel has no "remove if empty": a filter that is added between the question and the removal is lost. */
function removeUnused(ifindex: number): boolean {
  if (hasFilters(ifindex, "ingress") || hasFilters(ifindex, "egress")) return false;
  destroyClsact(ifindex);
  return true;
}

function markerOf({ row, path }: PinnedTo): string {
  return join(dirname(path), `dp_clsact_${basename(path).slice(`${functionName(row.name)}_`.length)}`);
}
