/**
 * A table as an SVG picture on a white ground, so that it is read in light and in dark pages. One column is drawn as
 * horizontal bars with names at their left; several as groups of vertical bars with a legend. Whiskers are the spread.
 * A table whose figures differ too much for a linear axis gets a logarithmic one.
 */
import type { Row, Table } from "../suite.ts";
import { axisOf, type Axis } from "./axis.ts";
import { short } from "./numbers.ts";

const WIDTH = 920;
const PALETTE = ["#7a7f87", "#2f74d0", "#7a4fc9", "#c26a12", "#b23a7c", "#66801c", "#8f5a1e", "#3f8488"];
const OURS = "#0b8a66";

const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 17px; font-weight: 600; }
.small { font-size: 11px; fill: #57606a; }
.figure { font-size: 11px; }
.ours { font-weight: 700; }
.ground { fill: #ffffff; stroke: #d0d7de; }
.grid { stroke: #d8dee4; }
.spread { stroke: #24292f; stroke-width: 1.5; }`;

/** Pixels that a character of a label takes, bold and in a wide font. */
const CHARACTER = 8;

/** @param measured when and on which machine: below the picture */
export function plot(table: Table, measured: string): string {
  const axis = axisOf(figuresOf(table));
  return table.columns.length === 1 ? horizontal(table, axis, measured) : vertical(table, axis, measured);
}

function horizontal(table: Table, axis: Axis, measured: string): string {
  const left = 24 + CHARACTER * longest(table.rows.map(({ name }) => name));
  const figures = table.rows.map(({ figures: [figure] }) => (figure ? short(figure.value) : ""));
  const right = 24 + CHARACTER * longest(figures);
  const top = 56;
  const step = 30;
  const bottom = top + step * table.rows.length;
  const scale = (value: number) => left + axis.position(value) * (WIDTH - left - right);
  const grid = axis.ticks.map(
    (mark) => `${line("grid", scale(mark), top, scale(mark), bottom)}
${text(scale(mark), bottom + 20, short(mark), "middle")}`,
  );
  const bars = table.rows.map((row, index) => {
    const y = top + index * step;
    const figure = row.figures[0] ?? null;
    const label = text(left - 8, y + 20, row.name, "end", row.ours === true ? "ours" : "");
    if (figure === null) return `${label}\n${text(left + 6, y + 20, "–", "start")}`;
    const [low, high] = figure.spread;
    const end = Math.max(scale(figure.value), scale(high));
    return `${label}
${rectangle(left, y + 6, scale(figure.value) - left, step - 12, colourOf(row, 1))}
${line("spread", scale(low), y + step / 2, scale(high), y + step / 2)}
${text(end + 6, y + 20, short(figure.value), "start")}`;
  });
  const label = text((left + WIDTH - right) / 2, bottom + 42, axisLabel(table, axis), "middle");
  return picture({ table, bottom: bottom + 42, measured, parts: [...grid, ...bars, label] });
}

function vertical(table: Table, axis: Axis, measured: string): string {
  const left = 86;
  const right = 16;
  const legend = legendOf(table.rows, 50);
  const top = legend.bottom + 26;
  const bottom = top + 260;
  const scale = (value: number) => bottom - axis.position(value) * (bottom - top);
  const grid = axis.ticks.map(
    (mark) => `${line("grid", left, scale(mark), WIDTH - right, scale(mark))}
${text(left - 8, scale(mark) + 4, short(mark), "end")}`,
  );
  const group = (WIDTH - right - left) / table.columns.length;
  const width = Math.min(52, (group * 0.94) / table.rows.length);
  const groups = table.columns.map((column, index) => {
    const middle = left + group * (index + 0.5);
    const first = middle - (width * table.rows.length) / 2;
    const bars = table.rows.map((row, number) => {
      const x = first + number * width;
      const figure = row.figures[index] ?? null;
      if (figure === null) return text(x + width / 2, bottom - 6, "–", "middle");
      const [low, high] = figure.spread;
      const y = Math.min(scale(figure.value), scale(high));
      return `${rectangle(x + 1, scale(figure.value), width - 2, bottom - scale(figure.value), colourOf(row, number))}
${line("spread", x + width / 2, scale(low), x + width / 2, scale(high))}
${text(x + width / 2, y - 5, short(figure.value), "middle", "figure")}`;
    });
    return [...bars, text(middle, bottom + 20, column, "middle")].join("\n");
  });
  const label = axisLabel(table, axis);
  const axes = [
    text((left + WIDTH - right) / 2, bottom + 42, table.axis ?? "", "middle"),
    `<g transform="translate(18 ${(top + bottom) / 2}) rotate(-90)">${text(0, 0, label, "middle")}</g>`,
  ];
  return picture({ table, bottom: bottom + 42, measured, parts: [legend.svg, ...grid, ...groups, ...axes] });
}

function legendOf(rows: readonly Row[], y: number): { svg: string; bottom: number } {
  let x = 16;
  let bottom = y;
  const entries = rows.map((row, index) => {
    const width = 40 + CHARACTER * row.name.length;
    if (x + width > WIDTH) {
      x = 16;
      bottom += 22;
    }
    const entry = `${rectangle(x, bottom - 11, 13, 13, colourOf(row, index))}
${text(x + 19, bottom, row.name, "start", row.ours === true ? "ours" : "")}`;
    x += width;
    return entry;
  });
  return { svg: entries.join("\n"), bottom };
}

interface Picture {
  readonly table: Table;
  /** Where its lowest line of text stands. */
  readonly bottom: number;
  readonly measured: string;
  readonly parts: readonly string[];
}

function picture({ table, bottom, measured, parts }: Picture): string {
  const height = bottom + 38;
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">
<title>${escape(table.title)}</title>
<style>${STYLE}
</style>
<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>
${text(16, 28, table.title, "start", "title")}
${parts.join("\n")}
${text(16, height - 12, measured, "start", "small")}
</svg>
`;
}

/** All that is drawn on the axis: values and their spread. */
function figuresOf(table: Table): number[] {
  return table.rows.flatMap(({ figures }) =>
    figures.flatMap((figure) => (figure === null ? [] : [figure.value, ...figure.spread])),
  );
}

function longest(texts: readonly string[]): number {
  return Math.max(...texts.map(({ length }) => length));
}

function axisLabel({ unit, better }: Table, { logarithmic }: Axis): string {
  return `${unit} (${better} is better${logarithmic ? ", logarithmic axis" : ""})`;
}

function colourOf(row: Row, index: number): string {
  return row.ours === true ? OURS : (PALETTE[index % PALETTE.length] as string);
}

function rectangle(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" rx="2" fill="${fill}"/>`;
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}"/>`;
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end", kind = ""): string {
  const attributes = kind === "" ? "" : ` class="${kind}"`;
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${attributes}>${escape(content)}</text>`;
}

/** Rounded to a tenth of a pixel. */
function at(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
