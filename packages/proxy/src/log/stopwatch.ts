/** Measures how long a connection or a query takes. It starts when it is made. */
export class Stopwatch {
  /** The wall-clock time of the start. */
  readonly startedAt = new Date();
  // The duration comes from the monotonic clock: a change of the wall clock must not change it.
  readonly #start = performance.now();

  get durationMs(): number {
    return performance.now() - this.#start;
  }
}
