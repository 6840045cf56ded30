/** docs/verifier.md: what programs cost the verifiers of kernels, to be looked at when it changes. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Counts } from "./guest/result.ts";

const FILE = join(import.meta.dirname, "../../docs/verifier.md");

/** By kernel: "6.1", the first two parts of its version. */
export type VerifierTable = Readonly<Record<string, Counts>>;

const HEAD = `# What the verifier goes through

Instructions the kernel's verifier goes through before it approves a program, by kernel. It gives up at 1,000,000. Where
there is no number, that kernel cannot run the program. A test fails when a number is off by more than a tenth: then
find out why, and if it is worth it, \`tools/vm --verifier\` measures anew and writes this file.

`;

/** "6.12.117+deb12-cloud-amd64" -> "6.12" */
export function columnOf(release: string): string {
  return /^\d+\.\d+/.exec(release)?.[0] ?? release;
}

export function readTable(): VerifierTable {
  const [heads = [], , ...rows] = readFileSync(FILE, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  return Object.fromEntries(
    heads.slice(1).map((kernel, column) => {
      const counts = rows.flatMap(([program = "", ...cells]) => {
        const count = Number((cells[column] ?? "").replaceAll(",", ""));
        return count > 0 ? [[program.replaceAll("`", ""), count] as const] : [];
      });
      return [kernel, Object.fromEntries(counts)];
    }),
  );
}

/** Columns of kernels that were not measured now stay. */
export function writeTable(measured: VerifierTable): void {
  const table = { ...readTable(), ...measured };
  const kernels = Object.keys(table).sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const programs = [...new Set(Object.values(measured).flatMap((counts) => Object.keys(counts)))].sort();
  const lines = [
    ["program", ...kernels],
    ["---", ...kernels.map(() => "---:")],
    ...programs.map((program) => [
      `\`${program}\``,
      ...kernels.map((kernel) => table[kernel]?.[program]?.toLocaleString("en") ?? ""),
    ]),
  ];
  writeFileSync(FILE, HEAD + lines.map((cells) => `| ${cells.join(" | ")} |\n`).join(""));
}

const TOLERANCE = 0.1;

/** What is not as the table has it, in words; empty when all is. */
export function differences(recorded: Counts, measured: Counts): string[] {
  const programs = [...new Set([...Object.keys(recorded), ...Object.keys(measured)])].sort();
  return programs.flatMap((program) => {
    const [before, now] = [recorded[program], measured[program]];
    if (before === undefined) return `${program} is new: ${now}`;
    if (now === undefined) return `${program} was not measured; the table has ${before}`;
    const change = Math.round((100 * (now - before)) / before);
    return Math.abs(now - before) > TOLERANCE * before ? `${program} went from ${before} to ${now} (${change} %)` : [];
  });
}
