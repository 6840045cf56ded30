/** The clsact qdisc of our filters. Other software may use it, too; it is removed only if it was created here. */
import { basename, dirname, join } from "node:path";
import { destroyClsact, makeClsact } from "../../libbpf/clsact.ts";
import { hasFilters } from "../../libbpf/filter-dump.ts";
import { pin, pinnedKind, pinOver, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import type { PinnedPlace } from "./mechanism.ts";
import { functionName } from "./program-table.ts";

type PinnedTo = Pick<PinnedPlace, "row" | "path">;

/**
 * Creates the qdisc unless there is one. One more pin of the program, `dp_clsact_eth0`, says that it was created here.
 *
 * @param first whether none of our filters is on the interface: then a qdisc that is there is not ours
 * @returns the undo
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

/** Renames the pin of a qdisc after its interface was renamed. `renameFilter` renames the pin of the filter. */
export function renameQdisc(from: PinnedTo, to: PinnedTo, renameFilter: () => void): void {
  using made = Program.findPin(markerOf(from));
  // Under both names while the filter is renamed: killed in between, it can be removed by either.
  if (made !== undefined) pinOver(made.fd, markerOf(to));
  renameFilter();
  unpin(markerOf(from));
}

/** For a qdisc that is gone with its interface. */
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
