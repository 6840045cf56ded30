/**
 * `bun run generate`: writes src/layout.gen.ts from the BTF of `bpf/`.
 * `bun run generate --check`: changes nothing; shows the difference and fails if there is one.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Btf } from "../src/btf.ts";
import { BuildError, compile, findToolchain, programFamilies } from "./clang.ts";
import { layoutsOf, ModelError } from "./layout-model.ts";
import { renderLayouts } from "./layout-source.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");
const TARGET = join(import.meta.dirname, "../src/layout.gen.ts");

/** What src/layout.gen.ts should hold. Throws `BuildError` or `ModelError`. */
export function generateLayouts(): string {
  const toolchain = findToolchain();
  const sources = ["layout.c", ...programFamilies().map((name) => `${name}.bpf.c`)];
  const objects = sources.map((source) => Btf.fromObject(compile(toolchain, source)));
  return format(renderLayouts(layoutsOf(objects)));
}

function format(source: string): string {
  const oxfmt = join(REPOSITORY, "node_modules/.bin/oxfmt");
  // By another name: the formatter leaves *.gen.ts to whoever generates them.
  const { status, stdout, stderr } = spawnSync(oxfmt, ["--stdin-filepath=layout.ts"], {
    cwd: REPOSITORY,
    encoding: "utf8",
    input: source,
  });
  if (status !== 0) throw new BuildError(`oxfmt failed on the generated layouts\n${stderr ?? "is it installed?"}`);
  return stdout;
}

/** The lines that differ between the committed layouts and these, as diff(1) shows them; empty when none do. */
export function layoutDrift(generated: string): string {
  if (existsSync(TARGET) && readFileSync(TARGET, "utf8") === generated) return "";
  const labels = ["--label", "layout.gen.ts, as committed", "--label", "layout.gen.ts, from bpf/"];
  const old = existsSync(TARGET) ? TARGET : "/dev/null";
  const diff = spawnSync("diff", ["-u", ...labels, old, "-"], { encoding: "utf8", input: generated });
  return diff.stdout || "they differ (diff(1) is missing, it would say where)";
}

if (import.meta.main) {
  try {
    const generated = generateLayouts();
    if (process.argv.includes("--check")) {
      const drift = layoutDrift(generated);
      if (drift !== "") {
        console.error(`${drift}\nsrc/layout.gen.ts is not what bpf/ says: run \`bun run generate\` and commit it`);
        process.exitCode = 1;
      }
    } else {
      writeFileSync(TARGET, generated);
    }
  } catch (error) {
    if (!(error instanceof BuildError || error instanceof ModelError)) throw error;
    console.error(`generate: ${error.message}`);
    process.exitCode = 1;
  }
}
