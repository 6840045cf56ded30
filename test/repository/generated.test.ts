import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** The committed files that are generated, by the workspace that generates them. Tests there compare them. */
const GENERATED = {
  "@dp/bench": "docs/benchmarks",
  "@dp/bpf": "packages/bpf/src/layout.gen.ts",
  "@dp/docs": "test/docs/surface.txt",
  "@dp/e2e": "test/e2e/escape/attempts.md",
};

interface Plan {
  tasks: { package: string; command: string }[];
}

test("`bun run generate` at the root generates everything", () => {
  const command = ["run", "generate", "--dry=json"];
  const { stdout, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
  if (!stdout.startsWith("{")) throw new Error(stderr);
  const { tasks } = JSON.parse(stdout) as Plan;
  const generating = tasks.filter((task) => task.command !== "<NONEXISTENT>").map((task) => task.package);
  expect(generating.sort()).toEqual(Object.keys(GENERATED));
});
