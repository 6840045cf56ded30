import type { Figure } from "./statistics.ts";

/** What a suite measures, one line of contenders per row. */
export interface Table {
  /** Unique in its suite; the plot is named after it. */
  readonly id: string;
  readonly title: string;
  /** Of every figure: "ns", "µs", "connections/s", "Gbit/s". */
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** What the columns are: "ports present". Left out where there is one column. */
  readonly axis?: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** Markdown, one paragraph each: what was measured and how. */
  readonly notes: readonly string[];
}

export interface Row {
  readonly name: string;
  /** datapath itself: drawn so that it is found at once. */
  readonly ours?: boolean;
  /** One per column; null where there is nothing to measure, or it is beyond what can be waited for. */
  readonly figures: readonly (Figure | null)[];
}

/** What was to be reached. */
export interface Target {
  readonly text: string;
  readonly met: boolean;
  /** The figures that say so. */
  readonly measured: string;
}

export interface Outcome {
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
  /** Markdown: what bounds each figure now, with the reasoning or the profile that shows it. */
  readonly bounds: string;
  /** Of what is compared: "haproxy" → "2.6.12". */
  readonly versions: Readonly<Record<string, string>>;
}

export interface Context {
  /** A look at whether it runs, in seconds: fewer columns and rounds. Its figures are not for keeping. */
  readonly quick: boolean;
  /** Progress, for who waits. */
  readonly log: (line: string) => void;
}

/** Runs in a sandbox (tools/sandbox), as root, with `dp` built. Leaves nothing behind. */
export interface Suite {
  readonly id: string;
  readonly title: string;
  readonly run: (context: Context) => Promise<Outcome>;
}
