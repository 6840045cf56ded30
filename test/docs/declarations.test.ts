import { afterAll, beforeAll, expect, test } from "bun:test";
// What TypeScript makes of the published declarations in a project that has set up next to nothing.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { entryPoints } from "./surface.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(import.meta.dirname, "node_modules/declarations-"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true }));

const modules = entryPoints().map(({ module }) => module);
/** Their declarations name Node's sockets and streams: a project has @types/node, or bun-types, for them. */
const NAMES_THE_RUNTIMES = ["@dp/cli", "@dp/proxy"];

test.each(["nodenext", "bundler"])("they bring all they need along, with moduleResolution %s", (moduleResolution) => {
  const wanted = modules.filter((module) => !NAMES_THE_RUNTIMES.includes(module));
  const lines = wanted.map((module, index) => `export type * as all${index} from ${JSON.stringify(module)};\n`);
  writeFileSync(join(folder, "index.ts"), lines.join(""));
  const compilerOptions = {
    target: "es2023",
    module: moduleResolution === "bundler" ? "preserve" : moduleResolution,
    moduleResolution,
    types: [],
    strict: true,
    noEmit: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["index.ts"] }));
  const tsc = join(import.meta.dirname, "../../node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(tsc, ["-p", folder], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
