/** Arithmetic on the counters inside of a map's value. */
import type { Leaf, Shape } from "@dp/bpf";

/** The leaves of a shape that are counters. */
export function countLeaves(shape: Shape, counts: readonly string[] = []): Leaf[] {
  return shape.leaves.filter(({ path }) => counts.includes(path));
}

/** Sets counters to zero, in place. */
export function clearCounts(value: Uint8Array, leaves: readonly Leaf[]): Uint8Array {
  for (const { offset, size } of leaves) value.fill(0, offset, offset + size);
  return value;
}

export function hasCounts(value: Uint8Array, leaves: readonly Leaf[]): boolean {
  return leaves.some(({ offset, size }) => value.subarray(offset, offset + size).some((byte) => byte !== 0));
}

/** Adds the counters of another value of that shape, in place: modulo their width, as the programs count. */
export function addCounts(value: Uint8Array, more: Uint8Array, leaves: readonly Leaf[]): Uint8Array {
  const [sum, other] = [viewOf(value), viewOf(more)];
  for (const { offset, size, type } of leaves) {
    const width = /64/.test(type) ? 8 : 4;
    for (let at = offset; at < offset + size; at += width) {
      if (width === 8) sum.setBigUint64(at, sum.getBigUint64(at, true) + other.getBigUint64(at, true), true);
      else sum.setUint32(at, sum.getUint32(at, true) + other.getUint32(at, true), true);
    }
  }
  return value;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
