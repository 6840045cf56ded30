/**
 * Turns a key or value of one layout into that of another, leaf by leaf, by their names: how what an older build has
 * pinned is read by a newer one.
 *
 * A leaf that is new is zero, one that is gone is left out. One that grew (a wider unsigned number, a longer array)
 * keeps its value. Anything else that changed cannot be told by its bytes: it is refused.
 */
import { isOpaque, type Leaf, type Shape } from "./shape.ts";

/** A leaf that cannot be carried over. */
export interface Refusal {
  readonly path: string;
  readonly from: string;
  /** `absent` when there is none of that name any more. */
  readonly to: string;
}

/** How bytes of one shape become bytes of another. */
export interface Translation {
  readonly from: Shape;
  readonly to: Shape;
  /** Reads `from.size` bytes, and returns `to.size` new ones. */
  translate(bytes: Uint8Array): Uint8Array<ArrayBuffer>;
  /** What is lost by it: leaves the new layout has no place for. */
  readonly dropped: readonly string[];
  /** Why it must not be used; empty when it may. What is refused is zero in what `translate` returns. */
  readonly refused: readonly Refusal[];
}

/** What may be lost. */
export interface TranslationOptions {
  /**
   * Cuts what does not fit, instead of refusing it: for the way back, to a layout that values came from and that will
   * not be used for long.
   */
  readonly cut?: boolean;
}

/**
 * How an older build's key or value is read by this one: field by field, by their names. Throws nothing: what cannot be
 * carried over is among the refused.
 */
export function translation(from: Shape, to: Shape, { cut = false }: TranslationOptions = {}): Translation {
  const sources = new Map(from.leaves.map((leaf) => [leaf.path, leaf]));
  const copies: Copy[] = [];
  const refused: Refusal[] = [];
  for (const leaf of to.leaves) {
    const source = sources.get(leaf.path);
    sources.delete(leaf.path);
    if (source === undefined || (isOpaque(leaf.type) && isOpaque(source.type))) continue;
    const length = fits(source, leaf) ? source.size : cut && fits(leaf, source) ? leaf.size : undefined;
    if (length === undefined) refused.push({ path: leaf.path, from: source.type, to: leaf.type });
    // Little-endian numbers and arrays alike begin with what they have in common.
    else copies.push({ from: source.offset, to: leaf.offset, length });
  }
  const left = [...sources.values()];
  if (!cut) {
    // The last elements of an array that got shorter.
    for (const { path, type } of left) if (isBeyondEnd(path, to)) refused.push({ path, from: type, to: "absent" });
  }
  const runs = joined(copies);
  return {
    from,
    to,
    refused,
    dropped: left.map(({ path }) => path),
    translate(bytes) {
      const result = new Uint8Array(to.size);
      for (const copy of runs) result.set(bytes.subarray(copy.from, copy.from + copy.length), copy.to);
      return result;
    },
  };
}

interface Copy {
  from: number;
  to: number;
  length: number;
}

/** Fewer and longer copies: what is side by side in both shapes is copied at once. */
function joined(copies: readonly Copy[]): Copy[] {
  const runs: Copy[] = [];
  for (const copy of copies) {
    const last = runs.at(-1);
    if (last !== undefined && last.from + last.length === copy.from && last.to + last.length === copy.to) {
      last.length += copy.length;
    } else runs.push({ ...copy });
  }
  return runs;
}

function isBeyondEnd(path: string, shape: Shape): boolean {
  const [first] = /^.*?\[\d+\]/.exec(path) ?? [];
  if (first === undefined || shape.leaves.some((leaf) => leaf.path.startsWith(first))) return false;
  const start = first.replace(/\d+\]$/, "0]");
  return shape.leaves.some((leaf) => leaf.path.startsWith(start));
}

/** Whether whatever the one holds, the other can hold too, and means the same by it. */
function fits(source: Leaf, target: Leaf): boolean {
  const [one, other] = [kindOf(source), kindOf(target)];
  if (one.element !== other.element) return one.bits > 0 && one.bits <= other.bits && !one.array && !other.array;
  return one.array === other.array && source.size <= target.size;
}

interface LeafKind {
  /** What it is made of: `__u64` of `__u64[4]`. */
  element: string;
  array: boolean;
  /** Of an unsigned number in the host's byte order; 0 for anything else. */
  bits: number;
}

function kindOf({ type }: Leaf): LeafKind {
  const [, element = type, dimensions = ""] = /^([^[]+)(.*)$/.exec(type) ?? [];
  const name = element.startsWith("enum ") ? "__u32" : element;
  return { element: name, array: dimensions !== "", bits: Number(/^__u(8|16|32|64)$/.exec(name)?.[1] ?? 0) };
}
