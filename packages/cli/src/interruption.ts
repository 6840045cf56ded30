/**
 * An `AbortSignal` for the first SIGINT or SIGTERM: the polite request to stop. The second one is not listened for any
 * more, and ends the process at once.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
