/** What READMEs show of these examples: with the generated modules beside it, TypeScript takes it. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const EXAMPLE = join(import.meta.dirname, "..");
const ROOT = join(EXAMPLE, "../..");

test("the tsconfig.json of the README is enough for a project, with what is published", () => {
  const [, config = ""] = /^```json\n([\s\S]*?)^```/m.exec(readFileSync(join(EXAMPLE, "README.md"), "utf8")) ?? [];
  const folder = mkdtempSync(join(EXAMPLE, "node_modules/project-"));
  try {
    cpSync(join(EXAMPLE, "src"), join(folder, "src"), { recursive: true });
    // Here the types of Node come with Bun's.
    writeFileSync(join(folder, "tsconfig.json"), config.replace('"types": ["node"]', '"types": ["bun-types"]'));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(existsSync(join(folder, "dist/watch-connects.js"))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(["packages/bpf/README.md", "packages/core/README.md"])("what %s shows has the right types", (path) => {
  const readme = readFileSync(join(ROOT, path), "utf8");
  const blocks = [...readme.matchAll(/^```typescript\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block);
  expect(blocks.length).toBeGreaterThan(0);
  // In this project, so that the packages are found from it.
  const folder = mkdtempSync(join(EXAMPLE, "node_modules/readme-"));
  try {
    for (const name of ["count.gen.ts", "connect.gen.ts"]) {
      copyFileSync(join(EXAMPLE, "src", name), join(folder, name));
    }
    for (const [index, block] of blocks.entries()) writeFileSync(join(folder, `block${index}.ts`), block);
    const config = {
      extends: relative(folder, join(ROOT, "tsconfig.base.json")),
      compilerOptions: { noEmit: true, customConditions: ["bun"] },
      include: ["."],
      exclude: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    expect(stdout).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
