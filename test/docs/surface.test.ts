import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SURFACE, surface } from "./surface.ts";

test("what the packages export is what was decided: `bun test/docs/surface.ts` writes a change down", () => {
  expect(surface()).toBe(readFileSync(SURFACE, "utf8"));
});
