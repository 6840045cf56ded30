/** Moves the entries of a map to the map of another layout or size that replaces it. */
import { Errno, SyscallError } from "@dp/sys";
import { MapType } from "../../libbpf/map-type.ts";
import { carryRule } from "./carry-rule.ts";
import type { Carrying } from "./carrying.ts";
import { copyInnerMaps, innerLayout } from "./inner-maps.ts";
import { addCounts, clearCounts, countLeaves, hasCounts } from "./leaf-count.ts";
import { markCopied, returnFlows, settleFlows } from "./move-flows.ts";

/** How many entries are set with one call. */
const CHUNK = 4096;

/** Copies all entries, before any program uses the new map. Throws `MapFullError` when it has no room for them. */
export function copyEntries(carrying: Carrying): void {
  const { name, from, to, change } = carrying;
  const { anew = false, counts } = carryRule(name);
  if (anew) return;
  const inner = innerLayout(name);
  if (inner !== undefined) return copyInnerMaps(carrying, inner);
  if (to.info.type === MapType.devmap || to.info.type === MapType.devmapHash) return copyInterfaces(carrying);
  const leaves = countLeaves(change.value.to, counts);
  let chunk: [Uint8Array, Uint8Array[]][] = [];
  for (const [key, values] of from) {
    const changed = values.map((value) => clearCounts(change.value.translate(value), leaves));
    chunk.push([change.key.translate(key), name === "dp_origins" ? changed.map(markCopied) : changed]);
    if (chunk.length < CHUNK) continue;
    to.setMany(chunk);
    chunk = [];
  }
  to.setMany(chunk);
}

/** An interface that is deleted meanwhile is in neither map. */
function copyInterfaces({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    if (value === undefined) continue;
    try {
      to.set(change.key.translate(key), [change.value.translate(value)]);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.EINVAL || from.get(key) !== undefined) throw error;
    }
  }
}

/**
 * Adds to the new map what programs have written into the old one since it was copied. Counts that were added are
 * cleared in the old map, so that doing it again adds nothing.
 *
 * A packet that is counted between reading and writing an entry, which takes microseconds, is not counted.
 */
export function settleEntries(carrying: Carrying): void {
  moveCounts(carrying);
  if (carryRule(carrying.name).grows === true) moveNewEntries(carrying);
  if (carrying.name === "dp_origins") settleFlows(carrying);
}

/** Copies what programs have added since {@link copyEntries}, for an upgrade that was killed after it. */
export function copyNewEntries(carrying: Carrying): void {
  if (carrying.name === "dp_origins") moveNewEntries(carrying, markCopied);
  else if (carryRule(carrying.name).grows === true) moveNewEntries(carrying);
}

/** Undoes an upgrade: `from` is this build's map, `to` the map that it had replaced. */
export function returnEntries(carrying: Carrying): void {
  moveCounts(carrying);
  if (carryRule(carrying.name).grows === true) moveNewEntries(carrying);
  if (carrying.name === "dp_origins") returnFlows(carrying);
}

function moveNewEntries({ from, to, change }: Carrying, mark = (value: Uint8Array) => value): void {
  for (const [key, values] of from) {
    const there = change.key.translate(key);
    if (to.get(there) !== undefined) continue;
    to.set(
      there,
      values.map((value) => mark(change.value.translate(value))),
    );
  }
}

function moveCounts({ name, from, to, change }: Carrying): void {
  const { counts } = carryRule(name);
  if (counts === undefined) return;
  const [sums, counted] = [countLeaves(change.value.to, counts), countLeaves(change.value.from, counts)];
  for (const [key, values] of from) {
    const more = values.map(change.value.translate);
    if (!more.some((value) => hasCounts(value, sums))) continue;
    const there = change.key.translate(key);
    const now = to.get(there);
    if (now !== undefined) {
      to.set(
        there,
        now.map((value, cpu) => addCounts(value, more[cpu] as Uint8Array, sums)),
        "replace",
      );
    }
    from.set(
      key,
      values.map((value) => clearCounts(value, counted)),
      "replace",
    );
  }
}
