import type { Figure } from "../statistics.ts";
import type { Table, Target } from "../suite.ts";
import { short } from "./numbers.ts";
import { measuredOn, type Result } from "./result.ts";

/** A suite's page, in Markdown. */
export function page(result: Result): string {
  const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
  return (
    [
      `# ${result.title}`,
      provenance(result),
      ...(versions.length === 0 ? [] : [`Compared: ${versions.join(", ")}.`]),
      "Figures are medians of the rounds; the range in brackets has the middle half of the rounds.",
      ...(result.targets.length === 0 ? [] : ["## Targets", targets(result.targets)]),
      ...result.tables.flatMap((table) => section(result.suite, table)),
      "## What bounds them",
      result.bounds.trim(),
      `Every round: [${result.suite}.json](${result.suite}.json).`,
    ].join("\n\n") + "\n"
  );
}

function provenance(result: Result): string {
  const quick = result.quick ? " **A quick run: its figures are not exact.**" : "";
  return `Written by \`tools/bench ${result.suite}\`. Measured on ${measuredOn(result)}.${quick}`;
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

/** @param right which columns are aligned to the right. Default: all but the first */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[] = head.map((_, index) => index > 0),
): string {
  const line = (cells: readonly string[]) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(right.map((each) => (each ? "---:" : "---"))), ...rows.map(line)].join("\n");
}
