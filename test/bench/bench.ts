/** The command behind tools/bench, in a sandbox: runs suites one after the other and writes their results. */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { thisMachine } from "./machine.ts";
import type { Result } from "./report/result.ts";
import { rewrite, write } from "./report/write.ts";
import { SUITES } from "./suites.ts";

const ROOT = resolve(import.meta.dirname, "../..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    pages: { type: "boolean", default: false },
    out: { type: "string" },
    against: { type: "string" },
  },
});
const { quick } = values;
const against = values.against === undefined ? undefined : resolve(values.against);
const all = Object.keys(SUITES);
const unknown = positionals.filter((suite) => !all.includes(suite));
if (unknown.length > 0) {
  process.stderr.write(`tools/bench: unknown suite: ${unknown.join(", ")}; suites are: ${all.join(", ")}\n`);
  process.exit(2);
}

// The figures of a quick run are not exact: they do not go into docs.
const directory = resolve(values.out ?? join(ROOT, quick ? ".cache/bench" : "docs/benchmarks"));
if (values.pages) {
  rewrite(directory, all);
  process.exit();
}
for (const id of positionals.length > 0 ? positionals : all) {
  const suite = await (SUITES[id] as (typeof SUITES)[string])();
  const start = performance.now();
  const log = (line: string) => process.stderr.write(`${id}: ${line}\n`);
  const outcome = await suite.run({ quick, against, log });
  const result: Result = {
    suite: id,
    title: suite.title,
    date: new Date().toISOString(),
    quick,
    machine: thisMachine(),
    ...outcome,
  };
  write(directory, result, all);
  log(`done in ${Math.round((performance.now() - start) / 1000)} s: ${directory}/${id}.md`);
  for (const { text, met, measured } of outcome.targets) {
    process.stdout.write(`${met ? "met    " : "NOT MET"}  ${text}: ${measured}\n`);
  }
}
