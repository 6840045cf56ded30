import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PROBES } from "./escape/arrangement.ts";
import { ARRANGEMENTS, DETACHED } from "./escape/arrangements.ts";
import { TOPICS } from "./escape/attempts/index.ts";
import { DOCUMENT, render } from "./escape/document.ts";

test("escape/attempts.md lists the attempts that are made (`bun run generate` writes it)", () => {
  expect(readFileSync(DOCUMENT, "utf8")).toBe(render());
});

test("docs/escape-attempts.md has every topic, with the number of its attempts and its counters", () => {
  const summary = readFileSync(join(import.meta.dirname, "../../docs/escape-attempts.md"), "utf8");
  const rows = [...summary.matchAll(/^\| ([^|]+) \| (\d+) \| ([^|]+) \|$/gm)].map(([, ...cells]) => cells);
  expect(rows).toEqual(
    TOPICS.map(({ title, attempts }) => {
      const reasons = new Set(attempts.flatMap(({ drops = {} }) => Object.keys(drops)));
      return [title, `${attempts.length}`, [...reasons].map((reason) => `\`${reason}\``).join(", ")];
    }),
  );
  const arrangements = ARRANGEMENTS.length + 1;
  expect(summary).toContain(`${PROBES.length} kinds of packets from ${arrangements} arrangements`);
});

test("no two attempts of a topic have one name, and an arrangement's differences are about probes there are", () => {
  for (const { attempts } of TOPICS) {
    const names = attempts.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  }
  const probes = new Set(PROBES.map(({ name }) => name));
  for (const { otherwise = {} } of [...ARRANGEMENTS, DETACHED]) {
    expect(Object.keys(otherwise).filter((name) => !probes.has(name))).toEqual([]);
  }
  expect(new Set(ARRANGEMENTS.map(({ name }) => name)).size).toBe(ARRANGEMENTS.length);
});
