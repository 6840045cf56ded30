import type { BaseContext } from "clipanion";
import type { Interruption } from "./interruption.ts";
import type { Sink } from "./line-writer.ts";

/** The part of the process that a command uses. A test, or another program, provides its own. */
export interface DpContext extends BaseContext {
  env: Record<string, string | undefined>;
  /** Whether standard output, or standard error, is to be coloured. */
  color: { stdout: boolean; stderr: boolean };
  /** The current time. */
  now: () => Date;
  /** Starts to listen for the request to stop. Only commands that may run for long call it, once. */
  interruption: () => Interruption;
  /**
   * Standard output and standard error for a command that runs until it is stopped: writes do not block the process.
   * Only such a command calls it, once.
   */
  serviceOutput: () => { stdout: Sink; stderr: Sink };
}
