import { describeMachine } from "../machine.ts";
import type { Figure } from "../statistics.ts";
import type { Table, Target } from "../suite.ts";
import { short } from "./numbers.ts";
import type { Result } from "./result.ts";

/** A suite's page, in Markdown. */
export function page(result: Result): string {
  const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
  return (
    [
      `# ${result.title}`,
      provenance(result),
      ...(versions.length === 0 ? [] : [`Compared: ${versions.join(", ")}.`]),
      "Figures are medians of the rounds; in brackets is the middle half of them.",
      ...(result.targets.length === 0 ? [] : ["## Targets", targets(result.targets)]),
      ...result.tables.flatMap((table) => section(result.suite, table)),
      "## What bounds them",
      result.bounds.trim(),
      `Every round: [${result.suite}.json](${result.suite}.json).`,
    ].join("\n\n") + "\n"
  );
}

export function provenance(result: Result): string {
  const quick = result.quick ? " **A quick run: its figures say little.**" : "";
  const when = result.date.slice(0, 10);
  return `Written by \`tools/bench ${result.suite}\` on ${when}: ${describeMachine(result.machine)}.${quick}`;
}

function targets(all: readonly Target[]): string {
  const rows = all.map(({ text, met, measured }) => [text, measured, verdict(met)]);
  return markdownTable(["target", "measured", "met"], rows, [false, false, false]);
}

export function verdict(met: boolean): string {
  return met ? "yes" : "**no**";
}

function section(suite: string, table: Table): string[] {
  const rows = table.rows.map(({ name, ours, figures }) => [
    ours === true ? `**${name}**` : name,
    ...figures.map((figure) => cell(figure)),
  ]);
  const columns = table.columns.length === 1 && table.columns[0] === "" ? [table.unit] : table.columns;
  return [
    `## ${table.title}`,
    `![${table.title}](${plotFile(suite, table)})`,
    markdownTable([[table.unit, table.axis].filter(Boolean).join(", by "), ...columns], rows),
    ...table.notes,
  ];
}

export function plotFile(suite: string, table: Table): string {
  return `${suite}-${table.id}.svg`;
}

function cell(figure: Figure | null): string {
  if (figure === null) return "–";
  const [low, high] = figure.spread;
  return `${short(figure.value)} (${short(low)}–${short(high)})`;
}

/** Numbers stand at the right: all columns but the first, unless told otherwise. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[] = head.map((_, index) => index > 0),
): string {
  const line = (cells: readonly string[]) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(right.map((each) => (each ? "---:" : "---"))), ...rows.map(line)].join("\n");
}
