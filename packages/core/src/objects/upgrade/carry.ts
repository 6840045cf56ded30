/** Moving what is in a map to one of another layout that takes its place. */
import { carryRule } from "./carry-rule.ts";
import type { Carrying } from "./carrying.ts";
import { addCounts, clearCounts, countLeaves, hasCounts } from "./leaf-count.ts";
import { markCopied, returnFlows, settleFlows } from "./move-flows.ts";

/** Entries set at once: so many that a call costs little, so few that they need little memory. */
const CHUNK = 4096;

/**
 * Copies all entries, before anything uses the new map. Throws `MapFullError` when they are more than it has room for.
 */
export function copyEntries({ name, from, to, change }: Carrying): void {
  const { anew = false, counts } = carryRule(name);
  if (anew) return;
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

/**
 * Adds what programs have written into the one map since it was copied into the other. Done again it does nothing: what
 * was added is taken off where it came from.
 *
 * A packet counted in the microseconds between reading and writing one entry is not counted.
 */
export function settleEntries(carrying: Carrying): void {
  moveCounts(carrying);
  if (carryRule(carrying.name).grows === true) moveNewEntries(carrying);
  if (carrying.name === "dp_origins") settleFlows(carrying);
}

/** Copies what programs have made since {@link copyEntries}, which a process that was killed did not go on with. */
export function copyNewEntries(carrying: Carrying): void {
  if (carrying.name === "dp_origins") moveNewEntries(carrying, markCopied);
  else if (carryRule(carrying.name).grows === true) moveNewEntries(carrying);
}

/** The other way, when an upgrade is taken back: `from` is this build's map, `to` the one it was made from. */
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
