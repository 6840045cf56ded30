import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { overview } from "./overview.ts";
import { page, plotFile } from "./page.ts";
import { plot } from "./plot.ts";
import { measuredOn, type Result } from "./result.ts";

/** Writes the files of a suite into a folder, in place of those of an earlier run, and the overview of all suites. */
export function write(directory: string, result: Result, order: readonly string[]): void {
  mkdirSync(directory, { recursive: true });
  const json = JSON.stringify(result, rounded, 1);
  writeFileSync(join(directory, `${result.suite}.json`), `${json}\n`);
  render(directory, JSON.parse(json) as Result);
  writeFileSync(join(directory, "README.md"), overview(resultsIn(directory, order)));
}

/** Writes all pages and plots of a folder again, from the figures that are there. */
export function rewrite(directory: string, order: readonly string[]): void {
  const results = resultsIn(directory, order);
  for (const result of results) render(directory, result);
  writeFileSync(join(directory, "README.md"), overview(results));
}

function render(directory: string, result: Result): void {
  for (const old of readdirSync(directory)) {
    if (old.startsWith(`${result.suite}-`) && old.endsWith(".svg")) rmSync(join(directory, old));
  }
  writeFileSync(join(directory, `${result.suite}.md`), page(result));
  for (const table of result.tables) {
    writeFileSync(join(directory, plotFile(result.suite, table)), plot(table, measuredOn(result)));
  }
}

/** The results that a folder has, in the order of the suites. */
export function resultsIn(directory: string, order: readonly string[]): Result[] {
  const there = new Set(readdirSync(directory));
  return order
    .filter((suite) => there.has(`${suite}.json`))
    .map((suite) => JSON.parse(readFileSync(join(directory, `${suite}.json`), "utf8")) as Result);
}

/** Six significant digits: the measurements are not more exact. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(6)) : value;
}
