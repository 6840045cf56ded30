import { type LayoutMismatch } from "@dp/bpf";
import { DatapathError } from "@dp/sys";

/** A structure in the kernel, or in an object about to be loaded, is not the one this build reads and writes. */
export class LayoutError extends DatapathError {
  override readonly name = "LayoutError";
  /** The C structure, or "map NAME". */
  readonly struct: string;
  readonly field: string;
  /** What this build was made for. */
  readonly expected: string;
  /** What was found. */
  readonly actual: string;

  constructor(op: string, mismatch: LayoutMismatch, hint?: string) {
    const { struct, field, expected, actual } = mismatch;
    super("FAILED", op, `${struct} ${field} is ${actual}, this build needs ${expected}`, { hint });
    this.struct = struct;
    this.field = field;
    this.expected = expected;
    this.actual = actual;
  }
}
