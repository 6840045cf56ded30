import { isAbsolute, resolve } from "node:path";
import { DEFAULT_PIN_ROOT, type MechanismName, type OpenPinnedOptions } from "@dp/core";
import { DatapathError } from "@dp/sys";
import type { StepListener } from "./transaction.ts";

/** What every function of this package takes. */
export interface HostOptions {
  /** The bpffs folder everything is pinned under, an absolute path. Default /sys/fs/bpf. */
  pinRoot?: string | undefined;
  /**
   * How to attach programs where none is attached yet. Default: TCX links where the kernel has them, else clsact
   * filters. Once something is attached, everything is attached by the same mechanism until `unload`.
   */
  mechanism?: MechanismName | undefined;
  /**
   * Whether a change expedites the kernel's RCU grace periods while it lasts. Most of a change's time is waiting for
   * them. Default true; false for hosts where the interrupts that this sends to each processor disturb more.
   */
  expedite?: boolean | undefined;
  /** Told of what is odd but no reason to fail. */
  warn?: ((message: string) => void) | undefined;
  /** Told of every step of a change before it is taken; what it throws fails the step, and the change is undone. */
  onStep?: StepListener | undefined;
  /** How long to wait for other changes of the same pin root, in milliseconds. Default 30 seconds. */
  lockTimeoutMs?: number | undefined;
  /** Ends that wait, with its reason as the error. A change that has begun is not interrupted. */
  signal?: AbortSignal | undefined;
}

export const LOCK_TIMEOUT_MS = 30_000;

/** Throws `DatapathError` BAD_USAGE for a relative path: the next command may run in another folder. */
export function pinRootOf({ pinRoot = DEFAULT_PIN_ROOT }: HostOptions): string {
  if (isAbsolute(pinRoot)) return pinRoot;
  const reason = `${JSON.stringify(pinRoot)} is not an absolute path`;
  throw new DatapathError("BAD_USAGE", "find the pin root", reason, { hint: `did you mean ${resolve(pinRoot)}?` });
}

/** The same for the functions of @dp/core. Throws as {@link pinRootOf}. */
export function pinnedOptions(options: HostOptions): OpenPinnedOptions {
  const { mechanism } = options;
  return { pinRoot: pinRootOf(options), ...(mechanism === undefined ? {} : { mechanism }) };
}
