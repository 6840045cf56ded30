import { expect, test } from "bun:test";
import { differences } from "./verifier-table.ts";

test("a difference is one from a tenth on, a new program, or one that is gone", () => {
  const recorded = { same: 100, more: 100, less: 100, gone: 7 };
  expect(differences(recorded, { same: 110, more: 111, less: 89, other: 5 })).toEqual([
    "gone was not measured; the table has 7",
    "less went from 100 to 89 (-11 %)",
    "more went from 100 to 111 (11 %)",
    "other is new: 5",
  ]);
});
