/**
 * Migrates dp_origins, whose entries end by a timer: a copy has none.
 *
 * A copy is marked as one (DP_FLOW_COPIED) until the upgrade is finished. While the mark is there, the entry of the old
 * map is the valid one. When a new program writes the copy, it removes the mark: from then on the copy is the valid
 * one. When the upgrade is finished, the sweep removes the copies that have expired.
 */
import { DpFlowEnd, type Shape } from "@dp/bpf";
import type { RawMap } from "../../libbpf/raw-map.ts";
import type { Carrying } from "./carrying.ts";
import { knownShapes } from "./layout-change.ts";

/** A time that has passed. 0 would be DP_NEVER. */
const EXPIRED = 1n;

const KNOWN = knownShapes("dp_origins").value;

/** Marks a value of this build's layout, in place. */
export function markCopied(value: Uint8Array): Uint8Array {
  return withEnd(KNOWN, value, DpFlowEnd.copied);
}

/** Gives each copy in `to` that is still marked the state that its flow has in `from`, where it was copied from. */
export function settleFlows({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    const there = change.key.translate(key);
    const [copy] = to.get(there) ?? [];
    if (value === undefined || (copy !== undefined && endOf(copy) !== DpFlowEnd.copied)) continue;
    to.set(there, [withEnd(KNOWN, change.value.translate(value), DpFlowEnd.swept)]);
  }
  // Marked ones that are left: their flows ended in `from` meanwhile.
  const expires = offsetOf(KNOWN, "expires") as number;
  rewrite(to, DpFlowEnd.copied, (value) => {
    new DataView(value.buffer, value.byteOffset).setBigUint64(expires, EXPIRED, true);
    return withEnd(KNOWN, value, DpFlowEnd.swept);
  });
}

/** The way back, when an upgrade is undone: what the new programs wrote into the copies in `from` is valid. */
export function returnFlows({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    if (value === undefined || endOf(value) === DpFlowEnd.copied) continue;
    to.set(change.key.translate(key), [withEnd(change.value.to, change.value.translate(value), DpFlowEnd.swept)]);
  }
}

/**
 * Leaves to the sweep what timers would have removed: the kernel ends all timers of a map with its last pin and
 * descriptor, also while programs use it.
 */
export function replaceTimers(map: RawMap, shape: Shape): void {
  if (offsetOf(shape, "end") === undefined) return;
  rewrite(map, DpFlowEnd.timed, (value) => withEnd(shape, value, DpFlowEnd.swept), shape);
}

function rewrite(map: RawMap, end: number, change: (value: Uint8Array) => Uint8Array, shape = KNOWN): void {
  for (const [key, [value]] of map) {
    if (value !== undefined && endOf(value, shape) === end) map.set(key, [change(value)]);
  }
}

function endOf(value: Uint8Array, shape = KNOWN): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(offsetOf(shape, "end") as number, true);
}

function withEnd(shape: Shape, value: Uint8Array, end: number): Uint8Array {
  const offset = offsetOf(shape, "end");
  if (offset !== undefined) new DataView(value.buffer, value.byteOffset).setUint32(offset, end, true);
  return value;
}

function offsetOf(shape: Shape, path: string): number | undefined {
  return shape.leaves.find((leaf) => leaf.path === path)?.offset;
}
