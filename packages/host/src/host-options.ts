import { DEFAULT_PIN_ROOT, type MechanismName, type OpenPinnedOptions } from "@dp/core";
import type { StepListener } from "./transaction.ts";

/** What every function of this package takes. */
export interface HostOptions {
  /**
   * How to attach programs where none is attached yet. Default: TCX links where the kernel has them, else clsact
   * filters. Once something is attached, everything is attached by the same mechanism until `unload`.
   */
  mechanism?: MechanismName | undefined;
  /**
   * Whether a change expedites the kernel's RCU grace periods while it lasts, which most of its time is spent in. Default
   * true; false where an interrupt to each processor disturbs more.
   */
  expedite?: boolean | undefined;
  /** The bpffs folder everything is pinned under. Default /sys/fs/bpf. */
  pinRoot?: string | undefined;
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

export function pinRootOf(options: HostOptions): string {
  return options.pinRoot ?? DEFAULT_PIN_ROOT;
}

/** The same for the functions of @dp/core. */
export function pinnedOptions(options: HostOptions): OpenPinnedOptions {
  const { mechanism } = options;
  return { pinRoot: pinRootOf(options), ...(mechanism === undefined ? {} : { mechanism }) };
}
