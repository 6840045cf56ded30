/**
 * Cases in which the programs and the model once differed, to be tried for ever, each with what was wrong. The fuzzer
 * prints a new one in this form.
 */
import type { ProgramName } from "./cases.ts";

export interface KeptCase {
  /** What was wrong. */
  was: string;
  program: ProgramName;
  ifindex: number;
  frame: string;
  cutTo?: number;
  tag?: number;
  checksumComplete?: boolean;
}

export const KEPT: readonly KeptCase[] = [];
