import { DatapathError } from "@dp/sys";

/** The steps that undo a change that failed halfway, the newest first. */
export class Undo implements Disposable {
  readonly #steps: (() => void)[] = [];
  readonly #kept: Disposable[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** Keeps something open that a step needs, until this is disposed. */
  keep<T extends Disposable>(resource: T): T {
    this.#kept.push(resource);
    return resource;
  }

  /** Undoes all steps. Returns what to throw: `reason`, or an error with all failures if undoing failed, too. */
  because(reason: unknown): unknown {
    const failures: unknown[] = [];
    for (const step of this.#steps.toReversed()) {
      try {
        step();
      } catch (error) {
        failures.push(error);
      }
    }
    this.#steps.length = 0;
    if (failures.length === 0) return reason;
    const [why, left] = [reason, failures[0]].map((error) => (error instanceof Error ? error.message : String(error)));
    return new DatapathError("FAILED", "undo a failed change", `${left}; what failed first: ${why}`, {
      cause: new AggregateError([reason, ...failures], "a change failed, and undoing it failed, too"),
    });
  }

  [Symbol.dispose](): void {
    for (const resource of this.#kept) resource[Symbol.dispose]();
  }
}
