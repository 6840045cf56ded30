import type { Figure } from "./statistics.ts";

/** One measure of a suite: a row for each contender. */
export interface Table {
  /** Unique in its suite; the plot is named after it. */
  readonly id: string;
  readonly title: string;
  /** Of every figure: "ns", "µs", "connections/s", "Gbit/s". */
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** What the columns differ in: "ports present". Left out when there is one column. */
  readonly axis?: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** Markdown, one paragraph each: what was measured, and how. */
  readonly notes: readonly string[];
}

export interface Row {
  readonly name: string;
  /** datapath itself: it is highlighted. */
  readonly ours?: boolean;
  /** One for each column; null when it was not measured. */
  readonly figures: readonly (Figure | null)[];
}

/** A cost that datapath must not exceed. */
export interface Target {
  readonly text: string;
  readonly met: boolean;
  /** The figures that decide it. */
  readonly measured: string;
}

export interface Outcome {
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
  /** Markdown: what bounds each figure, with the reasoning or the profile behind it. */
  readonly bounds: string;
  /** Versions of the software compared: "haproxy" → "2.6.12". */
  readonly versions: Readonly<Record<string, string>>;
}

export interface Context {
  /** Few columns and rounds, in seconds: does the suite run? Its figures are not exact. */
  readonly quick: boolean;
  /** Another build of the executable `dp`, to measure in turns with this build (suite control). */
  readonly against?: string | undefined;
  /** Shows progress. */
  readonly log: (line: string) => void;
}

/** Runs in a sandbox (tools/sandbox), as root, with `dp` built. Removes all it made. */
export interface Suite {
  readonly id: string;
  readonly title: string;
  readonly run: (context: Context) => Promise<Outcome>;
}
