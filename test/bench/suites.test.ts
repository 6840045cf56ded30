/** Runs every suite once, quickly, and checks its results for completeness, never for speed. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { choosePorts } from "./path/ports.ts";
import { plot } from "./report/plot.ts";
import { SUITES } from "./suites.ts";

for (const [id, load] of Object.entries(SUITES)) {
  describe(id, () => {
    test("measures every contender in every column, and explains what bounds it", async () => {
      const suite = await load();
      expect(suite.id).toBe(id);
      const { tables, targets, bounds } = await suite.run({ quick: true, log: () => {} });
      expect(tables.length).toBeGreaterThan(0);
      expect(new Set(tables.map((table) => table.id)).size).toBe(tables.length);
      for (const table of tables) {
        expect(table.rows.some(({ ours }) => ours === true)).toBe(true);
        for (const { name, figures } of table.rows) {
          expect([name, figures.length]).toEqual([name, table.columns.length]);
          const values = figures.flatMap((figure) => (figure === null ? [] : [...figure.rounds, figure.value]));
          expect([name, values.filter((value) => !Number.isFinite(value))]).toEqual([name, []]);
        }
        expect(plot(table, "")).not.toContain("NaN");
      }
      expect(targets.length).toBeGreaterThan(0);
      for (const { measured } of targets) expect(measured).not.toMatch(/NaN|undefined/);
      expect(bounds.trim().length).toBeGreaterThan(100);
      expect(bounds).not.toMatch(/NaN|undefined/);
    });
  });
}

test("ports with a container are spread evenly over all ports", () => {
  const { all, real } = choosePorts(1000, 10);
  expect(all).toHaveLength(1000);
  expect(new Set(all.map(({ port }) => port)).size).toBe(1000);
  expect(new Set(all.map(({ address }) => address)).size).toBe(1000);
  expect(real.map(({ container }) => container)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(real.map(({ port }) => port - (all[0]?.port ?? 0))).toEqual([50, 150, 250, 350, 450, 550, 650, 750, 850, 950]);
  expect(choosePorts(10, 10).real).toHaveLength(10);
});

test("an unknown suite is refused, with the names of all suites", () => {
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "bench.ts"), "speed"]);
  expect(String(stderr)).toContain("unknown suite: speed; suites are: packet, path, egress, control");
  expect(status).toBe(2);
});
