import type { ReportedError } from "./exit-code.ts";

/** What ends a command that was asked to stop while it waited for its turn. */
class Interrupted extends Error implements ReportedError {
  override readonly name = "Interrupted";
  readonly code = "FAILED";
  readonly op = "wait";
  readonly reason = "interrupted; nothing was changed";

  constructor() {
    super("interrupted");
  }
}

/**
 * An `AbortSignal` for the first SIGINT or SIGTERM: the polite request to stop. The second one is not listened for any
 * more, and ends the process at once.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    controller.abort(new Interrupted());
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
