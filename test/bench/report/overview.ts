import { describeMachine } from "../machine.ts";
import { markdownTable, verdict } from "./page.ts";
import type { Result } from "./result.ts";

const INTRODUCTION = `# Benchmarks

Written by \`tools/bench\`, which compares datapath with what operators use without it: on one machine, in one run,
contenders in turns (A B C, C B A, ...). A figure is the median of the rounds. A ratio is the median of the rounds'
ratios. No test asserts a figure.`;

/** docs/benchmarks/README.md: the targets of every suite, and links to the suites' pages. */
export function overview(results: readonly Result[]): string {
  const targets = results.flatMap((result) =>
    result.targets.map(({ text, met, measured }) => [link(result), text, measured, verdict(met)]),
  );
  const suites = results.map((result) => [
    link(result),
    result.title,
    `${result.date.slice(0, 10)}${result.quick ? ", a quick run" : ""}`,
    describeMachine(result.machine),
  ]);
  const left = (count: number) => Array.from({ length: count }, () => false);
  return (
    [
      INTRODUCTION,
      "## Targets",
      markdownTable(["suite", "target", "measured", "met"], targets, left(4)),
      "## Suites",
      markdownTable(["suite", "what", "measured on", "machine"], suites, left(4)),
    ].join("\n\n") + "\n"
  );
}

function link({ suite }: Result): string {
  return `[${suite}](${suite}.md)`;
}
