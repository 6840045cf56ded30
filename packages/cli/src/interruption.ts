import type { ReportedError } from "./exit-code.ts";

/** The error of a command that was asked to stop while it waited for another change. */
class Interrupted extends Error implements ReportedError {
  override readonly name = "Interrupted";
  readonly code = "FAILED";
  readonly op = "wait";
  readonly reason = "interrupted; nothing was changed";

  constructor() {
    super("interrupted");
  }
}

/** Listens for the request to stop until it is disposed of. */
export interface Interruption extends Disposable {
  /** Aborted by the first SIGINT or SIGTERM. The second one ends the process at once. */
  readonly signal: AbortSignal;
}

export function interruption(): Interruption {
  const controller = new AbortController();
  const ignore = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
  const stop = () => {
    ignore();
    controller.abort(new Interrupted());
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return { signal: controller.signal, [Symbol.dispose]: ignore };
}
