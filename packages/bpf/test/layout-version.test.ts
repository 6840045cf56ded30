/**
 * A changed layout has another version, or a build would use the maps of another build as its own. layout-versions.json
 * has what each version looks like.
 */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { DpLayout, dpMeta, mapLayouts, shapeOfLayout } from "../src/index.ts";
import versions from "./layout-versions.json" with { type: "json" };

function fingerprint(): string {
  const maps = Object.values(mapLayouts).map(({ name, type, keyType, key, valueType, value }) => {
    return [name, type, shapeOfLayout(keyType, key.size), shapeOfLayout(valueType, value.size)];
  });
  return createHash("sha256").update(JSON.stringify(maps)).digest("hex").slice(0, 16);
}

test("the layouts are those of their version", () => {
  const known: Readonly<Record<string, string>> = versions;
  const last = Math.max(...Object.keys(known).map(Number));
  const todo =
    `the layout of a map has changed: raise DP_LAYOUT_VERSION in bpf/maps/layout.h to ${last + 1} and write down\n` +
    `  "${last + 1}": "${fingerprint()}"\nin layout-versions.json; or, if no release has version ${last} yet, that there`;
  expect<number>(DpLayout.version, todo).toBe(last);
  expect(fingerprint(), todo).toBe(known[last] ?? "");
});

test("dp_meta never changes", () => {
  const places = dpMeta.fields.map(({ name, offset, size, type }) => `${name} ${offset} ${size} ${type}`);
  expect(places).toEqual(["layout_version 0 4 __u32", "pad 4 4 __u32", "loaded_at 8 8 __u64", "build 16 32 char[32]"]);
  expect(mapLayouts.dp_meta).toMatchObject({ type: 2, maxEntries: 1, keyType: "__u32" });
});
