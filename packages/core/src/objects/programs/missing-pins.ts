import { mapLayouts } from "@dp/bpf";
import type { PinRoot } from "./pin-root.ts";
import { PINNED_PROGRAMS } from "./program-table.ts";

/** The pins of programs and maps that are missing under a root: they were removed, or another build loaded it. */
export function missingPins(root: PinRoot): string[] {
  const { progs, maps } = root.pins();
  const pinned = new Set([...progs, ...maps]);
  const expected = [
    ...PINNED_PROGRAMS.map(({ name }) => root.program(name)),
    ...Object.keys(mapLayouts).map((name) => root.map(name)),
  ];
  return expected.filter((path) => !pinned.has(path));
}
