import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SURFACE, surface } from "./surface.ts";

test("the exports of the packages are those of surface.txt; `bun run generate` writes it", () => {
  expect(surface()).toBe(readFileSync(SURFACE, "utf8"));
});
