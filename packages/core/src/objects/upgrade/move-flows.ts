/**
 * Flows that move to a map of another layout: dp_origins, whose entries end by a timer that no copy has.
 *
 * A copy is marked as one (DP_FLOW_COPIED) until the upgrade is done. Whatever the new programs write into it, the mark
 * goes, and what the old map says of that flow counts no more; while it is there, the old map's entry is the true one.
 * From then on the sweep removes it.
 */
import { DpFlowEnd, type Shape } from "@dp/bpf";
import type { RawMap } from "../../libbpf/raw-map.ts";
import type { Carrying } from "./carrying.ts";
import { knownShapes } from "./layout-change.ts";

/** Long over: 0 would be DP_NEVER. */
const EXPIRED = 1n;

const KNOWN = knownShapes("dp_origins").value;

/** Of this build's layout. Changes the value it is given. */
export function markCopied(value: Uint8Array): Uint8Array {
  return withEnd(KNOWN, value, DpFlowEnd.copied);
}

/** Gives every copy in `to` the fate its flow has come to in the map it was copied from. */
export function settleFlows({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    const there = change.key.translate(key);
    const [copy] = to.get(there) ?? [];
    if (value === undefined || (copy !== undefined && endOf(copy) !== DpFlowEnd.copied)) continue;
    to.set(there, [withEnd(KNOWN, change.value.translate(value), DpFlowEnd.swept)]);
  }
  // Those that ended there meanwhile.
  const expires = offsetOf(KNOWN, "expires") as number;
  rewrite(to, DpFlowEnd.copied, (value) => {
    new DataView(value.buffer, value.byteOffset).setBigUint64(expires, EXPIRED, true);
    return withEnd(KNOWN, value, DpFlowEnd.swept);
  });
}

/** The other way, when an upgrade is taken back: what the new programs wrote into the copies in `from` counts. */
export function returnFlows({ from, to, change }: Carrying): void {
  for (const [key, [value]] of from) {
    if (value === undefined || endOf(value) === DpFlowEnd.copied) continue;
    to.set(change.key.translate(key), [withEnd(change.value.to, change.value.translate(value), DpFlowEnd.swept)]);
  }
}

/**
 * Has the sweep remove what timers did: the kernel ends all timers of a map when its last pin and descriptor go, also
 * while programs use it.
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
