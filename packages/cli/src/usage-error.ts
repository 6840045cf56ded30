import type { ReportedError } from "./exit-code.ts";

/** The command line itself is wrong. */
export class UsageError extends Error implements ReportedError {
  override readonly name = "UsageError";
  readonly code = "BAD_USAGE";
  op: string;
  readonly reason: string;
  readonly hint: string | undefined;

  constructor(reason: string, options: { op?: string; hint?: string } = {}) {
    const op = options.op ?? "usage";
    super(`${op}: ${reason}`);
    this.op = op;
    this.reason = reason;
    this.hint = options.hint;
  }
}
