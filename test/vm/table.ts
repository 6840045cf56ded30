import { CASES } from "./guest/cases.ts";
import { lastWords, type Report } from "./smoke.ts";

/** Case by kernel; below it, what is to be said of each. */
export function renderTable(reports: readonly Report[]): string {
  const rows = [
    ["", ...reports.map(({ kernel }) => kernel.name)],
    ...CASES.map(({ name }) => [name, ...reports.map((report) => cell(report, name))]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n${reports.map(complaints).join("")}`;
}

function cell({ results }: Report, name: string): string {
  const result = results.get(name);
  if (result === undefined) return "not run";
  if (!result.passed) return "FAILED";
  return ["ok", `${result.seconds} s`, result.note].filter((word) => word !== "").join(", ");
}

function complaints(report: Report): string {
  const failed = [...report.results.values()].filter(({ passed }) => !passed);
  const reasons = failed.map((result) => `\n${report.kernel.name}: ${result.case}: ${result.note}\n`).join("");
  return report.done ? reasons : `${reasons}\n${report.kernel.name} did not come to its end:\n${lastWords(report)}\n`;
}

/** Whether everything passed everywhere. */
export function allPassed(reports: readonly Report[]): boolean {
  return reports.every(({ done, results }) => done && CASES.every(({ name }) => results.get(name)?.passed === true));
}
