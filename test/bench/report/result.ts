import { describeMachine, type Machine } from "../machine.ts";
import type { Outcome } from "../suite.ts";

/** A suite's JSON file: the figures of every round, and all that its page and plots are made of. */
export interface Result extends Outcome {
  readonly suite: string;
  readonly title: string;
  /** UTC, ISO 8601. */
  readonly date: string;
  readonly quick: boolean;
  readonly machine: Machine;
}

/** "2026-11-30: AMD EPYC, 2 cores, 24 GiB; Linux 6.18, Debian GNU/Linux 12", for pages and plots. */
export function measuredOn({ date, machine }: Pick<Result, "date" | "machine">): string {
  return `${date.slice(0, 10)}: ${describeMachine(machine)}`;
}
