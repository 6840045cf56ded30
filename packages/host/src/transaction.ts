import { DatapathError } from "@dp/sys";

/** Told of every step before it is taken. What it throws makes that step fail. */
export type StepListener = (step: string) => void;

/**
 * A change in steps, each with its way back: it happens as a whole or not at all.
 *
 * Steps are synchronous: nothing else of this process runs between them, and a signal handler sees all or nothing.
 */
export class Transaction {
  readonly #onStep: StepListener | undefined;
  readonly #undo: { step: string; undo: (clean: boolean) => void }[] = [];

  private constructor(onStep: StepListener | undefined) {
    this.#onStep = onStep;
  }

  /**
   * Runs `body`. When it throws, every step it took is undone, newest first, each of them even if others fail.
   *
   * @throws what `body` threw; if undoing failed too, a `DatapathError` that says what was left, with all errors in the
   *   `AggregateError` that is its cause
   */
  static run<T>(op: string, onStep: StepListener | undefined, body: (transaction: Transaction) => T): T {
    const transaction = new Transaction(onStep);
    try {
      return body(transaction);
    } catch (error) {
      throw transaction.#rollBack(op, error);
    }
  }

  /**
   * Takes one step. `undo` is kept only once `take` has succeeded: a step that fails must have changed nothing.
   *
   * @param undo is given what `take` returned, and whether all later steps could be undone
   * @returns what `take` returns
   */
  step<T>(step: string, take: () => T, undo?: (taken: T, clean: boolean) => void): T {
    this.#onStep?.(step);
    const taken = take();
    if (undo !== undefined) this.#undo.push({ step, undo: (clean) => undo(taken, clean) });
    return taken;
  }

  #rollBack(op: string, reason: unknown): unknown {
    const steps = this.#undo.splice(0).toReversed();
    const failures = attemptAll(steps.map(({ step, undo }) => ({ step, run: undo })));
    if (failures.length === 0) return reason;
    const left = failures.map(({ step, error }) => `${step} (${messageOf(error)})`).join("; ");
    return new DatapathError(
      reason instanceof DatapathError ? reason.code : "FAILED",
      op,
      `${reason instanceof DatapathError ? reason.message : messageOf(reason)}; and this could not be undone: ${left}`,
      { cause: new AggregateError([reason, ...failures.map(({ error }) => error)], "undoing a failed change failed") },
    );
  }
}

/**
 * Runs every one of several steps, whatever becomes of the others. Each is told whether all before it succeeded.
 *
 * @returns those that failed
 */
export function attemptAll(
  steps: readonly { step: string; run: (clean: boolean) => void }[],
): { step: string; error: unknown }[] {
  const failures: { step: string; error: unknown }[] = [];
  for (const { step, run } of steps) {
    try {
      run(failures.length === 0);
    } catch (error) {
      failures.push({ step, error });
    }
  }
  return failures;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
