import type * as Host from "@dp/host";
import type * as Proxy from "@dp/proxy";
import type { ReportedError } from "./exit-code.ts";

/** The native module that makes the system calls could not be loaded. */
class NativeModuleError extends Error implements ReportedError {
  override readonly name = "NativeModuleError";
  readonly code = "UNSUPPORTED";
  readonly op = "load the native module";
  readonly reason: string;
  readonly hint = "the executable unpacks it to a temporary folder: /tmp, or $TMPDIR, must be writable and not noexec";

  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`load the native module: ${reason}`, { cause });
    this.reason = reason;
  }
}

/**
 * The library that does the work, with the native code it needs. Only a command that does something loads it:
 * `dp --help` and a wrong command line are answered without.
 */
export function hostLibrary(): Promise<typeof Host> {
  return loaded(import("@dp/host"));
}

/** The transparent proxy, with the native code it needs. */
export function proxyLibrary(): Promise<typeof Proxy> {
  return loaded(import("@dp/proxy"));
}

async function loaded<T>(library: Promise<T>): Promise<T> {
  try {
    return await library;
  } catch (cause) {
    throw new NativeModuleError(cause);
  }
}
