/** How long the fuzzers run, and from where. */
const CASES = process.env["DP_FUZZ_CASES"];

export const LONG_RUN = CASES !== undefined;
/** Another one each time, in a long run. */
export const SEED = Number(process.env["DP_FUZZ_SEED"] ?? (LONG_RUN ? Date.now() % 2 ** 32 : 1));

/** @param usually without DP_FUZZ_CASES */
export function howMany(usually: number): number {
  return Number(CASES ?? usually);
}
