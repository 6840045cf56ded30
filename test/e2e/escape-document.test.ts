import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { PROBES } from "./escape/arrangement.ts";
import { ARRANGEMENTS, DETACHED } from "./escape/arrangements.ts";
import { TOPICS } from "./escape/attempts/index.ts";
import { DOCUMENT, render } from "./escape/document.ts";

test("docs/escape-attempts.md tells of the attempts that are made (`bun run generate` writes it)", () => {
  expect(readFileSync(DOCUMENT, "utf8")).toBe(render());
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
