/**
 * A table as an SVG picture, in colours that are read on white as on black: what is around a picture in a page cannot
 * be asked. One column is drawn as lying bars, named at their left; several as groups of standing bars with a legend.
 * Whiskers are the spread.
 */
import type { Row, Table } from "../suite.ts";
import { brief, short, ticks } from "./numbers.ts";

const WIDTH = 860;
const PALETTE = ["#8a8f98", "#4a8fe7", "#8a63d2", "#d9822b", "#c2508e", "#7f9a2f", "#b0752f", "#5f9ea0"];
const OURS = "#12a37a";

const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #737d88; }
.title { font-size: 16px; font-weight: 600; }
.ours { font-weight: 700; }
.grid { stroke: #737d88; stroke-opacity: .3; }
.spread { stroke: #737d88; stroke-width: 1.5; }`;

export function plot(table: Table): string {
  return table.columns.length === 1 ? lying(table) : standing(table);
}

function lying(table: Table): string {
  const left = 12 + 7.4 * Math.max(...table.rows.map(({ name }) => name.length));
  const right = 90;
  const top = 56;
  const step = 30;
  const bottom = top + step * table.rows.length;
  const marks = ticks(highest(table));
  const scale = (value: number) => left + (value / (marks.at(-1) as number)) * (WIDTH - left - right);
  const grid = marks.map(
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
  const axis = text((left + WIDTH - right) / 2, bottom + 42, axisLabel(table), "middle");
  return picture(table, bottom + 54, [...grid, ...bars, axis]);
}

function standing(table: Table): string {
  const left = 78;
  const right = 12;
  const legend = legendOf(table.rows, 50);
  const top = legend.bottom + 20;
  const bottom = top + 260;
  const marks = ticks(highest(table));
  const scale = (value: number) => bottom - (value / (marks.at(-1) as number)) * (bottom - top);
  const grid = marks.map(
    (mark) => `${line("grid", left, scale(mark), WIDTH - right, scale(mark))}
${text(left - 8, scale(mark) + 4, short(mark), "end")}`,
  );
  const group = (WIDTH - right - left) / table.columns.length;
  const width = Math.min(46, (group * 0.86) / table.rows.length);
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
${text(x + width / 2, y - 5, brief(figure.value), "middle", "", 10)}`;
    });
    return [...bars, text(middle, bottom + 20, column, "middle")].join("\n");
  });
  const axes = [
    text((left + WIDTH - right) / 2, bottom + 42, table.axis ?? "", "middle"),
    `<g transform="translate(16 ${(top + bottom) / 2}) rotate(-90)">${text(0, 0, axisLabel(table), "middle")}</g>`,
  ];
  return picture(table, bottom + 54, [legend.svg, ...grid, ...groups, ...axes]);
}

function legendOf(rows: readonly Row[], y: number): { svg: string; bottom: number } {
  let x = 78;
  let bottom = y;
  const entries = rows.map((row, index) => {
    const width = 34 + 7.2 * row.name.length;
    if (x + width > WIDTH) {
      x = 78;
      bottom += 22;
    }
    const entry = `${rectangle(x, bottom - 11, 13, 13, colourOf(row, index))}
${text(x + 19, bottom, row.name, "start", row.ours === true ? "ours" : "")}`;
    x += width;
    return entry;
  });
  return { svg: entries.join("\n"), bottom };
}

function picture(table: Table, height: number, parts: readonly string[]): string {
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">
<title>${escape(table.title)}</title>
<style>${STYLE}
</style>
${text(12, 24, table.title, "start", "title")}
${parts.join("\n")}
</svg>
`;
}

function highest(table: Table): number {
  return Math.max(...table.rows.flatMap(({ figures }) => figures.map((figure) => figure?.spread[1] ?? 0)));
}

function axisLabel({ unit, better }: Table): string {
  return `${unit} (${better} is better)`;
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

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end", kind = "", size = 13): string {
  const attributes = `${kind === "" ? "" : ` class="${kind}"`}${size === 13 ? "" : ` style="font-size: ${size}px"`}`;
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${attributes}>${escape(content)}</text>`;
}

/** A tenth of a pixel is more than is seen. */
function at(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
