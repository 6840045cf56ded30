import type { Machine } from "../machine.ts";
import type { Outcome } from "../suite.ts";

/** A suite's JSON file: everything the page and the plots are made of, the raw rounds among it. */
export interface Result extends Outcome {
  readonly suite: string;
  readonly title: string;
  /** UTC, ISO 8601. */
  readonly date: string;
  readonly quick: boolean;
  readonly machine: Machine;
}
