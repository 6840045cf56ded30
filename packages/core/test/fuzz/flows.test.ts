/**
 * The proxy's programs, both ways, and the model of them, from flow to flow: the same verdicts, bytes, counters, and
 * after every so many steps the same in the maps. How many packets, and from which seed, is as in fuzz.test.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Counts } from "@dp/test-kit/packet-counts.ts";
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { replay, shortened } from "./flow-replay.ts";
import { FlowRun, openFlowRunner } from "./flow-run.ts";
import { makeStep, type Step } from "./flow-steps.ts";
import { KEPT_FLOWS } from "./kept-flows.ts";
import { howMany, LONG_RUN, SEED } from "./length.ts";
import { Random } from "./random.ts";

requireRoot();

const CASES = howMany(20_000);
/** Between two looks at the maps, which begin anew then. */
const BATCH = 150;

let runner: ProgramRunner;

beforeAll(async () => {
  runner = await openFlowRunner();
});

afterAll(() => runner[Symbol.dispose]());

test.each(KEPT_FLOWS.map((kept) => [kept.was, kept] as const))("kept: %s", (_, kept) => {
  expect(replay(runner, kept.steps)).toBeUndefined();
});

test(
  `the proxy's programs and the model agree on ${CASES} packets`,
  () => {
    const random = new Random(SEED);
    const fates: Counts = {};
    for (let done = 0; done < CASES;) {
      const run = new FlowRun(runner);
      const steps: Step[] = [];
      const fail = (differs: string): never => {
        const fewer = shortened(runner, steps);
        const kept = JSON.stringify({ was: "?", steps: fewer });
        throw new Error(
          `seed ${SEED}, after ${done} packets:\n${kept}\n${replay(runner, fewer)}\nat first:\n${differs}`,
        );
      };
      for (let each = 0; each < BATCH; each++) {
        const step = makeStep(random, run.model);
        steps.push(step);
        const { differs, fate } = run.take(step);
        if (differs !== undefined) fail(differs);
        if (fate === undefined) continue;
        const counted = "program" in step ? `${step.program} ${fate}` : fate;
        fates[counted] = (fates[counted] ?? 0) + 1;
        done++;
      }
      const differs = run.compareMaps();
      if (differs !== undefined) fail(differs);
    }
    if (LONG_RUN) console.log(`seed ${SEED}`, fates);
    // Without these, the packets above test little.
    for (const rare of FATES) expect([rare, (fates[rare] ?? 0) > CASES / 200]).toEqual([rare, true]);
  },
  60_000 + CASES,
);

const FATES = [
  ...["opened", "substituted", "known", "noFlow", "flows", "held", "leftAlone"].map((fate) => `container ${fate}`),
  ...["answer", "refused", "laterFragment", "error", "leftAlone"].map((fate) => `host ${fate}`),
];
