import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { figure } from "../statistics.ts";
import type { Table } from "../suite.ts";
import { SUITES } from "../suites.ts";
import { axisOf, roundNumbers } from "./axis.ts";
import { short } from "./numbers.ts";
import { page } from "./page.ts";
import { plot } from "./plot.ts";
import { measuredOn, type Result } from "./result.ts";
import { resultsIn, write } from "./write.ts";

const TABLE: Table = {
  id: "speed",
  title: "Speed & <order>",
  unit: "things/s",
  better: "higher",
  axis: "ports present",
  columns: ["10", "1,000"],
  rows: [
    { name: "theirs", figures: [figure([1, 2, 3]), null] },
    { name: "datapath", ours: true, figures: [figure([12_345, 12_345, 12_345]), figure([0.5, 0.5, 0.5])] },
  ],
  notes: ["How it was measured."],
};

const RESULT: Result = {
  suite: "packet",
  title: "What a packet costs",
  date: "2026-11-23T12:00:00.000Z",
  quick: false,
  machine: { cpu: "A processor", cores: 2, memory: "24 GiB", kernel: "6.18", system: "A system" },
  versions: { haproxy: "2.6.12" },
  tables: [TABLE],
  targets: [
    { text: "twice as fast", met: true, measured: "2.1 times" },
    { text: "no slower", met: false, measured: "0.9 times" },
  ],
  bounds: "\nThe look-ups.\n",
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "report-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("numbers have three significant digits, and four when they are large", () => {
  const written = {
    0: "0",
    0.1234: "0.123",
    1.5: "1.5",
    12.34: "12.3",
    123.4: "123",
    1234.5: "1,235",
    98765: "98,770",
  };
  for (const [value, text] of Object.entries(written)) expect(short(Number(value))).toBe(text);
});

test("a linear axis has a handful of round numbers, from 0 to at least the highest figure", () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (top) => {
      const marks = roundNumbers(top);
      expect(marks[0]).toBe(0);
      expect(marks.at(-1)).toBeGreaterThanOrEqual(top * (1 - 1e-6));
      expect(marks.length).toBeGreaterThan(3);
      expect(marks.length).toBeLessThan(8);
    }),
  );
});

test("every figure lies on the axis, in the order of the values", () => {
  const value = fc.double({ min: 1e-3, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1 }), (figures) => {
      const { position } = axisOf(figures);
      const places = figures.toSorted((one, other) => one - other).map(position);
      expect(places).toEqual(places.toSorted((one, other) => one - other));
      expect(places[0]).toBeGreaterThan(0);
      expect(places.at(-1)).toBeLessThanOrEqual(1 + 1e-6);
    }),
  );
});

test("the axis of 30 ms and 4,236 ms is logarithmic, and leaves a bar for both", () => {
  const { logarithmic, ticks, position } = axisOf([29.9, 4236]);
  expect([logarithmic, ticks]).toEqual([true, [10, 100, 1000, 10_000]]);
  expect(position(29.9)).toBeGreaterThan(0.1);
  expect(axisOf([29.9, 300]).logarithmic).toBe(false);
  expect(axisOf([0, 4236]).logarithmic).toBe(false);
});

test("a page has targets, tables with their spread, what bounds them, the date and the machine", () => {
  const lines = page(RESULT).split("\n");
  expect(lines).toContain("| twice as fast | 2.1 times | yes |");
  expect(lines).toContain("| no slower | 0.9 times | **no** |");
  expect(lines).toContain("| things/s, by ports present | 10 | 1,000 |");
  expect(lines).toContain("| theirs | 2 (1.5–2.5) | – |");
  expect(lines).toContain("| **datapath** | 12,350 (12,350–12,350) | 0.5 (0.5–0.5) |");
  expect(lines).toContain("The look-ups.");
  expect(lines).toContain("Compared: haproxy 2.6.12.");
  expect(lines.join("\n")).toContain("Measured on 2026-11-23: A processor, 2 cores, 24 GiB; Linux 6.18, A system.");
});

test("a plot is well-formed, has title, unit, date and machine, and draws only numbers", () => {
  for (const table of [
    TABLE,
    { ...TABLE, columns: [""], rows: TABLE.rows.map((row) => ({ ...row, figures: row.figures.slice(0, 1) })) },
  ]) {
    const svg = plot(table, measuredOn(RESULT));
    expect(openTags(svg)).toEqual([]);
    expect(svg).toContain("Speed &amp; &lt;order&gt;");
    expect(svg).toContain("things/s (higher is better, logarithmic axis)");
    expect(svg).toContain(">2026-11-23: A processor, 2 cores, 24 GiB; Linux 6.18, A system</text>");
    for (const { name } of table.rows) expect(svg).toContain(`>${name}</text>`);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(svg.match(/<rect/g)?.length).toBe(1 + (table.columns.length === 1 ? 2 : 3 + table.rows.length));
  }
});

/** Elements without the end tag that should follow. */
function openTags(svg: string): string[] {
  const open: string[] = [];
  for (const [, closing, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (closing === "/") {
      if (open.pop() !== name) return [`</${name}> where nothing was open`];
    } else if (empty === "") {
      open.push(name as string);
    }
  }
  return open;
}

test("the files of a suite replace those of an earlier run, and the overview has the targets of every suite", () => {
  write(folder, { ...RESULT, suite: "path", targets: [{ text: "of another", met: true, measured: "1" }] }, [
    "packet",
    "path",
  ]);
  writeFileSync(join(folder, "packet-gone.svg"), "");
  write(folder, RESULT, ["packet", "path"]);
  const written = [
    "README.md",
    "packet-speed.svg",
    "packet.json",
    "packet.md",
    "path-speed.svg",
    "path.json",
    "path.md",
  ];
  expect(readdirSync(folder).sort()).toEqual(written);
  const overview = readFileSync(join(folder, "README.md"), "utf8");
  expect(overview).toContain("| [packet](packet.md) | no slower | 0.9 times | **no** |");
  expect(overview.indexOf("[packet]")).toBeLessThan(overview.indexOf("of another"));
  const kept = JSON.parse(readFileSync(join(folder, "packet.json"), "utf8")) as Result;
  expect(kept.tables[0]?.rows[0]?.figures[0]?.rounds).toEqual([1, 2, 3]);
});

test("docs/benchmarks is as tools/bench --pages writes it now", () => {
  const docs = join(import.meta.dirname, "../../../docs/benchmarks");
  const results = resultsIn(docs, Object.keys(SUITES));
  expect(results.length).toBeGreaterThan(0);
  for (const result of results) {
    expect(result.quick).toBe(false);
    write(folder, result, Object.keys(SUITES));
  }
  expect(readdirSync(docs).sort()).toEqual(readdirSync(folder).sort());
  for (const name of readdirSync(docs)) {
    expect(readFileSync(join(docs, name), "utf8")).toBe(readFileSync(join(folder, name), "utf8"));
  }
});
