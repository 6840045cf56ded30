import { printable } from "@dp/sys/printable";
import { isDatapathError } from "./exit-code.ts";
import { style } from "./style.ts";

/** An error as `dp` prints it: what failed, why, and the hint. A stack trace only for a bug, with --verbose. */
export function describeError(error: unknown, options: { color: boolean; verbose: boolean }): string {
  const paint = style(options.color);
  const lines: string[] = [];
  if (isDatapathError(error)) {
    lines.push(`${paint.red("dp:")} ${printable(`${error.op}: ${error.reason}`)}`);
    if (error.hint !== undefined) lines.push(`${paint.bold("hint:")} ${printable(error.hint)}`);
  } else {
    lines.push(
      `${paint.red("dp:")} internal error: ${printable(error instanceof Error ? error.message : String(error))}`,
    );
    if (!options.verbose) lines.push(`${paint.bold("hint:")} run it with --verbose for a report`);
  }
  if (options.verbose) lines.push(...details(error));
  return `${lines.join("\n")}\n`;
}

/** The fields of an error and of its causes, for --verbose. */
function details(error: unknown, depth = 1): string[] {
  const indent = "  ".repeat(depth);
  if (!(error instanceof Error)) return [`${indent}${String(error)}`];
  const lines: string[] = [`${indent}${error.name}${depth > 1 ? `: ${error.message}` : ""}`];
  for (const [key, value] of Object.entries(error)) {
    if (["op", "reason", "hint", "name", "errors"].includes(key) || value === undefined) continue;
    const text = String(value);
    if (text.includes("\n"))
      lines.push(
        `${indent}  ${key}:`,
        ...text
          .trimEnd()
          .split("\n")
          .map((line) => `${indent}    ${line}`),
      );
    else lines.push(`${indent}  ${key}: ${text}`);
  }
  if (!isDatapathError(error) && error.stack !== undefined) {
    lines.push(
      ...error.stack
        .split("\n")
        .filter((line) => /^\s+at /.test(line))
        .map((line) => `${indent}${line}`),
    );
  }
  if (error instanceof AggregateError) for (const each of error.errors) lines.push(...details(each, depth + 1));
  if (error.cause !== undefined) lines.push(`${indent}caused by`, ...details(error.cause, depth + 1));
  return lines;
}
