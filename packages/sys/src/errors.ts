/**
 * The class of a failure, which a caller can act on and `dp` turns into an exit status.
 *
 * `BUSY`: another process holds the lock; the same call may succeed later. `CONFLICT`: something that exists rules it
 * out. `UNSUPPORTED`: the kernel, the machine or the privileges lack something. `BAD_USAGE`: the call itself is wrong.
 */
export type ErrorCode = "FAILED" | "BAD_USAGE" | "NOT_LOADED" | "NO_SUCH_SERVER" | "CONFLICT" | "UNSUPPORTED" | "BUSY";

/** What an error may carry besides its message. */
export interface ErrorOptions {
  cause?: unknown;
  hint?: string | undefined;
}

/** What every error is that this project throws for its callers; see {@link ErrorCode}. */
export class DatapathError extends Error {
  override readonly name: string = "DatapathError";
  readonly code: ErrorCode;
  /** What was being done; empty until a caller adds it, see {@link DatapathError.addOp}. */
  readonly op: string;
  /** Why it failed, without the op: what stands after `dp: <op>: `. */
  readonly reason: string;
  readonly hint: string | undefined;

  /** @param op undefined in a function that serves many commands: the command adds its op */
  constructor(code: ErrorCode, op: string | undefined, reason: string, options: ErrorOptions = {}) {
    super(
      op === undefined ? reason : `${op}: ${reason}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.op = op ?? "";
    this.reason = reason;
    this.hint = options.hint;
  }

  /** Gives an error without an op this one; an error that has an op keeps it. */
  addOp(op: string): void {
    if (this.op !== "") return;
    (this as { op: string }).op = op;
    this.message = `${op}: ${this.reason}`;
  }
}

/** The kernel, the machine or the privileges lack something; `fix` says how to get it. */
export class UnsupportedError extends DatapathError {
  override readonly name = "UnsupportedError";
  readonly feature: string;
  readonly fix: string;

  constructor(feature: string, fix: string, options: { op?: string; reason?: string; cause?: unknown } = {}) {
    super("UNSUPPORTED", options.op ?? feature, options.reason ?? "not available on this machine", {
      cause: options.cause,
      hint: fix,
    });
    this.feature = feature;
    this.fix = fix;
  }
}
