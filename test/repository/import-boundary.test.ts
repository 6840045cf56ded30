import { afterAll, beforeAll, describe, expect, test } from "bun:test";
// The import rules of .oxlintrc.json are what keeps the packages apart: here they are shown to fire.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const PACKAGES = ["sys", "bpf", "core", "netlink", "host", "proxy", "cli"] as const;
type Package = (typeof PACKAGES)[number];

const MAY_IMPORT: Record<Package, readonly Package[]> = {
  sys: [],
  bpf: [],
  core: ["sys", "bpf"],
  netlink: ["sys"],
  host: ["sys", "core", "netlink"],
  proxy: ["sys"],
  cli: ["sys", "host", "proxy"],
};

let clone: string;

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), "import-boundary-"));
  cpSync(join(ROOT, ".oxlintrc.json"), join(clone, ".oxlintrc.json"));
});

afterAll(() => rmSync(clone, { recursive: true }));

/** Lints files at their places in the repository, from their package's folder as its script does: the rejected ones. */
function rejected(files: Readonly<Record<string, string>>): string[] {
  let name = "";
  for (const [path, source] of Object.entries(files)) {
    const file = join(clone, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, source);
    name = path.split("/")[1] as string;
  }
  const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/oxlint"), ["--format=unix", "."], {
    cwd: join(clone, "packages", name),
    encoding: "utf8",
  });
  rmSync(join(clone, "packages"), { recursive: true });
  return Object.keys(files).filter((path) => stdout.includes(`${path.split("/").slice(2).join("/")}:`));
}

const accepts = (path: string, source: string) => rejected({ [path]: source }).length === 0;

const imports = (module: string) => `export { something } from "${module}";\n`;

describe("between packages", () => {
  for (const from of PACKAGES) {
    test(`${from} imports ${MAY_IMPORT[from].join(", ") || "no sibling"}`, () => {
      const siblings = PACKAGES.filter((name) => name !== from);
      const path = (to: Package, form: string) => `packages/${from}/src/deep/${to}-${form}.ts`;
      const all = siblings.flatMap((to) => [
        [path(to, "static"), imports(`@dp/${to}`)],
        [path(to, "subpath"), imports(`@dp/${to}/part`)],
        [path(to, "dynamic"), `export const it = await import("@dp/${to}");\n`],
      ]);
      const forbidden = siblings
        .filter((to) => !MAY_IMPORT[from].includes(to))
        .flatMap((to) => [path(to, "static"), path(to, "subpath"), path(to, "dynamic")]);
      expect(rejected(Object.fromEntries(all) as Record<string, string>)).toEqual(forbidden);
    });
  }

  test("no package reaches into another package's folder", () => {
    expect(accepts("packages/netlink/src/file.ts", imports("../../sys/src/libc.ts"))).toBe(false);
  });

  test("no source imports the test kit", () => {
    const paths = PACKAGES.map((name) => `packages/${name}/src/file.ts`);
    for (const path of paths) expect([path, accepts(path, imports("@dp/test-kit/run.ts"))]).toEqual([path, false]);
  });

  test("tests import the test kit, and nothing from another package's tests", () => {
    const path = "packages/host/test/support/file.ts";
    expect(accepts(path, imports("@dp/test-kit/run.ts"))).toBe(true);
    expect(accepts(path, imports("../other.ts"))).toBe(true);
    expect(accepts(path, imports("../../../core/test/support/fixture.ts"))).toBe(false);
    expect(accepts(path, imports("../../../../packages/core/test/support/fixture.ts"))).toBe(false);
  });

  test("what is within one package is its own business", () => {
    expect(accepts("packages/core/src/objects/file.ts", imports("../libbpf/map.ts"))).toBe(true);
  });
});

describe("native code", () => {
  for (const [path, allowed] of [
    ["packages/sys/src/file.ts", true],
    ["packages/core/src/ffi/file.ts", true],
    ["packages/core/src/libbpf/file.ts", false],
    ["packages/netlink/src/file.ts", false],
    ["packages/host/src/file.ts", false],
    ["packages/cli/src/file.ts", false],
  ] as const) {
    test(`${path} ${allowed ? "may" : "must not"} import koffi`, () => {
      expect(accepts(path, imports("koffi"))).toBe(allowed);
    });
  }
});

describe("runtimes", () => {
  test("library code uses nothing of Bun's alone", () => {
    expect(accepts("packages/host/src/file.ts", imports("bun"))).toBe(false);
    expect(accepts("packages/host/src/file.ts", imports("bun:sqlite"))).toBe(false);
    expect(accepts("packages/host/src/file.ts", "export const version = Bun.version;\n")).toBe(false);
  });
});

describe("commands", () => {
  const path = "packages/cli/src/commands/file.ts";

  test("a command writes through its context only", () => {
    expect(accepts(path, 'export const write = () => process.stdout.write("x");\n')).toBe(false);
    expect(accepts(path, 'export const write = () => console.log("x");\n')).toBe(false);
    expect(accepts(path, imports("node:process"))).toBe(false);
  });

  test("elsewhere in the cli the process may be used", () => {
    expect(accepts("packages/cli/src/main.ts", "export const args = process.argv;\n")).toBe(true);
  });
});
