import { printable } from "@dp/sys/printable";
import { printableLine, type Style } from "./style.ts";

export interface Column<T> {
  title: string;
  value: (row: T) => string;
  align?: "right";
  /** Colours a value that has been padded to its column. */
  paint?: (padded: string, row: T) => string;
}

/** Columns as wide as their widest value, two blanks apart, the last one not padded. */
export function renderTable<T>(rows: readonly T[], columns: readonly Column<T>[], style: Style): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const widths = columns.map(({ title }, at) => Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const pad = (text: string, at: number) => {
    const width = widths[at] ?? 0;
    if (columns[at]?.align === "right") return text.padStart(width);
    return at === columns.length - 1 ? text : text.padEnd(width);
  };
  const header = columns.map(({ title }, at) => style.bold(pad(title, at))).join("  ");
  const body = rows.map((row, index) =>
    columns
      .map(({ paint }, at) => {
        const padded = pad(cells[index]?.[at] ?? "", at);
        return paint === undefined ? padded : paint(padded, row);
      })
      .join("  "),
  );
  return [header, ...body].map((line) => `${line}\n`).join("");
}

/** "label  value" lines, values below each other. */
export function renderFields(fields: readonly (readonly [label: string, value: string])[], style: Style): string {
  const width = Math.max(...fields.map(([label]) => label.length));
  return fields.map(([label, value]) => `  ${style.dim(label.padEnd(width))}  ${printableLine(value)}\n`).join("");
}
