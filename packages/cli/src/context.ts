import type { BaseContext } from "clipanion";
import type { Sink } from "./line-writer.ts";

/** Everything a command may touch of the process around it, so that a test can be that process. */
export interface DpContext extends BaseContext {
  env: Record<string, string | undefined>;
  /** Whether standard output, or standard error, is to be coloured. */
  color: { stdout: boolean; stderr: boolean };
  now: () => Date;
  /** Tells a command that may run for long that it is to stop. Asked for once, by such a command only. */
  interruption: () => AbortSignal;
  /** Standard output for a log: what fails there is the log's business. Asked for by who runs until told to stop. */
  log: Sink;
}
