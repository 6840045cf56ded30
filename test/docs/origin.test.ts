import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as core from "@dp/core";
import { SURFACE } from "./surface.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/origin.md"), "utf8");
const [, table = ""] = page.split("| --- | --- | --- |\n");
const rows = [...table.matchAll(/^\| (?<go>[^|]+) \| (?<ours>[^|]+) \|/gm)].map(({ groups = {} }) => groups);
/** `loadBpf(options?)` is loadBpf. */
const words = (cell = "") => [...cell.matchAll(/`(\w+)/g)].map(([, word = ""]) => word);

test("docs/origin.md names what there is", () => {
  const [, surface = ""] = readFileSync(SURFACE, "utf8").split("@dp/core\n");
  const exported = [...surface.matchAll(/^ {2}(\w+) \(/gm)].map(([, name = ""]) => name);
  const there = new Set([...exported, ...Object.getOwnPropertyNames(core.Objects.prototype)]);
  expect(rows.length).toBeGreaterThan(10);
  expect(rows.flatMap(({ ours }) => words(ours)).filter((name) => !there.has(name))).toEqual([]);
});

test("a name of ours is the Go name beside it, but for its case", () => {
  // Rows without a name of ours are about Go types that others took the place of.
  const named = rows.filter(({ ours }) => words(ours).length > 0);
  expect(named.length).toBeGreaterThan(10);
  const pairs = named.flatMap(({ go, ours }) =>
    words(go).map((name, index) => [name, words(ours)[index] ?? ""] as const),
  );
  expect(pairs.filter(([go, ours]) => go.toLowerCase() !== ours.toLowerCase())).toEqual([]);
});
