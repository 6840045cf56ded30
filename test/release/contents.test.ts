import { afterAll, beforeAll, expect, test } from "bun:test";
// What a release looks at before it publishes: each thing that can be wrong with a package, and what is said of it.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { problemsOf } from "../../tools/publish/contents.ts";
import { importEverything } from "../../tools/publish/imports.ts";
import { differences, pack } from "../../tools/publish/tarball.ts";
import { type Package, publicPackages } from "../../tools/publish/workspace.ts";
import { ROOT } from "./clone.ts";

let folder: string;
let counter = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "contents-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const MANIFEST = {
  name: "@dp/sys",
  version: "1.2.3",
  license: "AGPL-3.0-only",
  type: "module",
  files: ["dist", "src", "README.md"],
  bin: { thing: "dist/index.js" },
  exports: { ".": { bun: "./src/index.ts", types: "./dist/index.d.ts", default: "./dist/index.js" } },
};

const FILES: Readonly<Record<string, string>> = {
  LICENSE: "Do as you would be done by.\n",
  "packages/sys/LICENSE": "Do as you would be done by.\n",
  "packages/sys/README.md": "# A package\n",
  "packages/sys/src/index.ts": "#!/usr/bin/env node\nexport const one = 1;\n",
  "packages/sys/dist/index.js": "#!/usr/bin/env node\nexport const one = 1;\n",
  "packages/sys/dist/index.d.ts": "export declare const one = 1;\n",
};

/** A checkout with one package that is all right, but for what is given: files to write, or to leave out. */
function checkout(manifest: object = {}, files: Readonly<Record<string, string | undefined>> = {}): Package {
  const root = join(folder, `checkout${counter++}`);
  const all = { ...FILES, "packages/sys/package.json": JSON.stringify({ ...MANIFEST, ...manifest }), ...files };
  for (const [path, text] of Object.entries(all)) {
    if (text === undefined) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  writeFileSync(join(root, ".gitignore"), "dist/\n");
  mkdirSync(join(root, "node_modules"));
  symlinkSync(join(ROOT, "node_modules/bun-types"), join(root, "node_modules/bun-types"));
  spawnSync("git", ["init", "--quiet"], { cwd: root });
  spawnSync("git", ["add", "packages", "LICENSE"], { cwd: root });
  return publicPackages(root)[0] as Package;
}

function problems(source: Package): string[] {
  return problemsOf(source, pack(source, join(source.directory, "../../packed")), [source]);
}

test("a package that is as it should be is fit to be published", () => {
  expect(problems(checkout())).toEqual([]);
});

const INCOMPRESSIBLE = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("base64");

test.each<[string, object, Readonly<Record<string, string | undefined>>, string[]]>([
  [
    "a range of the workspace's",
    { dependencies: { other: "file:../other" } },
    {},
    ["dependencies: other file:../other, not an exact version"],
  ],
  [
    "a registry of its own",
    { publishConfig: { registry: "http://127.0.0.1:1" } },
    {},
    ["publishConfig: says where it is published; --registry does"],
  ],
  [
    "JavaScript that was not built",
    {},
    { "packages/sys/dist/index.js": undefined },
    [
      "exports: .: default: there is no ./dist/index.js",
      "bin: thing: there is no dist/index.js",
      "there is no dist/index.js",
    ],
  ],
  [
    "an export without types",
    { exports: { ".": { bun: "./src/index.ts", default: "./dist/index.js" } } },
    {},
    ["exports: . has nothing for types"],
  ],
  ["no exports", { exports: undefined }, {}, ["exports: there are none"]],
  [
    "a command that no shell can start",
    {},
    { "packages/sys/dist/index.js": "export {};\n" },
    ["bin: thing: dist/index.js does not begin with #!/usr/bin/env node"],
  ],
  ["what an earlier build has left", {}, { "packages/sys/dist/gone.js": "" }, ["dist/gone.js should not be in it"]],
  [
    "sources that `files` does not list",
    { files: ["dist", "README.md"] },
    {},
    [
      "exports: .: bun: there is no ./src/index.ts",
      "dist/index.d.ts should not be in it",
      "dist/index.js should not be in it",
    ],
  ],
  ["a man page that was not built", { man: "dist/thing.1" }, {}, ["there is no dist/thing.1"]],
  ["no README", {}, { "packages/sys/README.md": undefined }, ["there is no README.md"]],
  ["no licence", {}, { "packages/sys/LICENSE": undefined }, ["there is no LICENSE"]],
  [
    "another licence",
    { license: "MIT" },
    { "packages/sys/LICENSE": "Do as you like.\n" },
    ["license: MIT, without AGPL-3.0-only", "LICENSE is not the project's", "there is no LICENSES/MIT.txt"],
  ],
  [
    "a second licence without its text",
    { license: "AGPL-3.0-only AND (GPL-2.0-only OR BSD-2-Clause)" },
    {},
    ["there is no LICENSES/GPL-2.0-only.txt", "there is no LICENSES/BSD-2-Clause.txt"],
  ],
  [
    "too much in it",
    {},
    { "packages/sys/README.md": INCOMPRESSIBLE },
    [expect.stringMatching(/^size: \d+ KiB, over its limit of 60 KiB$/)],
  ],
])("%s is found", (_, manifest, files, expected) => {
  const found = problems(checkout(manifest, files)).map((problem) => problem.replace("@dp/sys: ", ""));
  expect(found).toEqual(expected);
});

test("a package without a limit is found", () => {
  expect(problems(checkout({ name: "@dp/new" }))).toEqual([
    "@dp/new: size: there is no limit for it in tools/publish/contents.ts",
  ]);
});

const importing = (files: Readonly<Record<string, string>>) => () => {
  const source = checkout({}, files);
  const root = join(source.directory, "../..");
  importEverything([source], [pack(source, join(root, "packed"))], join(root, "installed"));
};

test("exports that cannot be imported are found, and types that do not hold together", () => {
  importing({})();
  expect(importing({ "packages/sys/dist/index.js": 'import "./gone.js";\n' })).toThrow(
    "import every export under Node",
  );
  expect(importing({ "packages/sys/src/index.ts": 'import "./gone.ts";\n' })).toThrow("import every export under Bun");
  expect(importing({ "packages/sys/dist/index.d.ts": 'export * from "./gone.ts";\n' })).toThrow(
    "check the types of every export",
  );
});

test("two tarballs of the same files are the same, however they were packed", () => {
  const source = checkout();
  const ours = pack(source, join(folder, "packed"));
  const again = join(folder, "again.tgz");
  cpSync(ours.directory, join(folder, "again/package"), { recursive: true });
  spawnSync("tar", ["-C", join(folder, "again"), "-czf", again, "package"]);
  expect(differences(ours, again)).toEqual([]);
  writeFileSync(join(folder, "again/package/README.md"), "# Another one\n");
  spawnSync("tar", ["-C", join(folder, "again"), "-czf", again, "package"]);
  expect(differences(ours, again)).toEqual(["README.md"]);
});
