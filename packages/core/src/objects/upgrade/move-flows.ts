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

/** Gives each copy in `to` that is still marked the state of its flow in `from`. */
export function settleFlows({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    const there = change.key.translate(key);
    const [copy] = to.get(there) ?? [];
    if (value === undefined || (copy !== undefined && endOf(copy) !== DpFlowEnd.copied)) continue;
    to.set(there, [withEnd(KNOWN, change.value.translate(value), DpFlowEnd.swept)]);
  }
  // The flows of copies that are still marked have ended in `from`.
  const expires = offsetOf(KNOWN, "expires") as number;
  rewrite(to, DpFlowEnd.copied, (value) => {
    new DataView(value.buffer, value.byteOffset).setBigUint64(expires, EXPIRED, true);
    return withEnd(KNOWN, value, DpFlowEnd.swept);
  });
}

/** Undoes a migration: copies in `from` that the new programs have changed are valid. */
export function returnFlows({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    if (value === undefined || endOf(value) === DpFlowEnd.copied) continue;
    to.set(change.key.translate(key), [withEnd(change.value.to, change.value.translate(value), DpFlowEnd.swept)]);
  }
}

/**
 * Lets the sweep remove flows whose timers were lost: the kernel cancels all timers of a map when its last pin and
 * descriptor are gone, even while programs use the map.
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
