import { afterAll, beforeAll, describe, expect, test } from "bun:test";
// What a README shows is what a reader types first: all of it is type-checked, and run for real, as root, on a host
// made of network namespaces.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { examplesOf } from "./examples.ts";

const ROOT = join(import.meta.dirname, "../..");
const PACKAGES = ["sys", "bpf", "core", "netlink", "host", "proxy", "cli"];
const READMES = ["README.md", ...PACKAGES.map((name) => `packages/${name}/README.md`)];

let folder: string;

// In this folder, so that the packages are found from it.
beforeAll(() => {
  mkdirSync(join(import.meta.dirname, "node_modules"), { recursive: true });
  folder = mkdtempSync(join(import.meta.dirname, "node_modules/examples-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const programs = READMES.flatMap((path) => examplesOf(readFileSync(join(ROOT, path), "utf8"), path));
const fileName = (at: string) => `${at.replaceAll(/[^a-z0-9]+/gi, "-")}.ts`;

test("a block that imports begins a program, others go on with it; what is hidden goes before its block", () => {
  const block = (kind: string, text: string) => `\`\`\`${kind}\n${text}\n\`\`\`\n`;
  const markdown = [
    block("ts", 'import "a";'),
    block("c", "/* x.c: cc x.c */\nint x;"),
    block("ts", "goOn();"),
    "<!-- example\nhidden();\n-->\n",
    block("ts", 'import "b";'),
    "<!-- example\ncheck();\n-->\n",
  ].join("text\n");
  expect(examplesOf(markdown, "X.md")).toEqual([
    { at: "X.md:1", source: 'import "a";\ngoOn();\n', files: [] },
    {
      at: "X.md:18",
      source: 'hidden();\nimport "b";\ncheck();\n',
      files: [{ name: "x.c", text: "/* x.c: cc x.c */\nint x;\n", command: "cc x.c" }],
    },
  ]);
  expect(() => examplesOf(block("ts", "run();"), "X.md")).toThrow("X.md: the first example imports nothing");
});

describe("the examples of the READMEs", () => {
  test("every package but the command line has one", () => {
    const with_ = new Set(programs.map(({ at }) => at.split(":")[0]));
    expect(READMES.filter((path) => !with_.has(path))).toEqual(["packages/cli/README.md"]);
  });

  test("have the right types", () => {
    for (const { at, source } of programs) writeFileSync(join(folder, fileName(at)), source);
    const config = {
      extends: relative(folder, join(ROOT, "tsconfig.base.json")),
      compilerOptions: { noEmit: true, customConditions: ["bun"], noUnusedLocals: false },
      include: ["."],
      exclude: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    expect(tsc.stdout).toBe("");
    expect(tsc.status).toBe(0);
  });

  test.each(programs.map((program) => [program.at, program] as const))("%s runs", (at, { source, files }) => {
    for (const { name, text, command } of files) {
      writeFileSync(join(folder, name), text);
      const made = spawnSync("bash", ["-euc", command], { cwd: folder, encoding: "utf8" });
      expect({ command, status: made.status, stderr: made.stderr }).toEqual({ command, status: 0, stderr: "" });
    }
    writeFileSync(join(folder, fileName(at)), source);
    const host = join(import.meta.dirname, "example-host");
    const ran = spawnSync(join(ROOT, "tools/sandbox"), [host, process.execPath, fileName(at)], {
      cwd: folder,
      encoding: "utf8",
    });
    if (ran.status !== 0) console.log(ran.stdout);
    expect({ stderr: ran.stderr, status: ran.status }).toEqual({ stderr: "", status: 0 });
  });
});
