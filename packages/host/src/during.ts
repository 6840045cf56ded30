import { DatapathError } from "@dp/sys";

/**
 * Runs a command, or a part of one. A `DatapathError` that is thrown in `body` without an op gets this one, so that the
 * functions that commands share need not be told what they are called for.
 */
export function during<T>(op: string, body: () => T): T {
  try {
    const result = body();
    return result instanceof Promise ? (result.catch((error: unknown) => rethrow(error, op)) as T) : result;
  } catch (error) {
    return rethrow(error, op);
  }
}

function rethrow(error: unknown, op: string): never {
  if (error instanceof DatapathError) error.addOp(op);
  throw error;
}
