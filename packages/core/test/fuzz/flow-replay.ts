/** The same steps once more, and no more of them than needed. */
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { FlowRun } from "./flow-run.ts";
import type { Step } from "./flow-steps.ts";

/** Where program and model part when they take these steps; undefined when they do not. */
export function replay(runner: ProgramRunner, steps: readonly Step[]): string | undefined {
  const run = new FlowRun(runner);
  for (const step of steps) {
    const { differs } = run.take(step);
    if (differs !== undefined) return differs;
  }
  return run.compareMaps();
}

/** As few of these steps as will do for the two to part. */
export function shortened(runner: ProgramRunner, steps: readonly Step[]): Step[] {
  let left = [...steps];
  for (let size = left.length >> 1; size > 0; size >>= 1) {
    for (let from = 0; from < left.length;) {
      const fewer = left.toSpliced(from, size);
      if (replay(runner, fewer) === undefined) from += size;
      else left = fewer;
    }
  }
  return left;
}
