/** When something began: by the clock on the wall for the log, by the monotonic one for its duration. */
export class EntryClock {
  readonly time = new Date();
  readonly #start = performance.now();

  get durationMs(): number {
    return performance.now() - this.#start;
  }
}
