import type { ErrorCode } from "@dp/sys";

/** The exit code of `dp` for each class of failure. */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  FAILED: 1,
  BAD_USAGE: 2,
  NOT_LOADED: 3,
  NO_SUCH_SERVER: 4,
  CONFLICT: 5,
  UNSUPPORTED: 6,
  BUSY: 7,
};

export const EXIT_DONE = 0;
export const EXIT_FAILED = EXIT_CODES.FAILED;
export const EXIT_NOT_LOADED = EXIT_CODES.NOT_LOADED;

/** 1 for an error that is not a `DatapathError`: it is a bug. */
export function exitCodeOf(error: unknown): number {
  return isDatapathError(error) ? EXIT_CODES[error.code] : EXIT_CODES.FAILED;
}

/** What the command line needs of a `DatapathError`. */
export interface ReportedError extends Error {
  code: ErrorCode;
  op: string;
  reason: string;
  hint?: string | undefined;
}

/** By its shape, not its class: importing @dp/sys would load native code for `dp --help`. */
export function isDatapathError(error: unknown): error is ReportedError {
  const { code, op, reason } = (error ?? {}) as Partial<ReportedError>;
  return error instanceof Error && typeof op === "string" && typeof reason === "string" && `${code}` in EXIT_CODES;
}
