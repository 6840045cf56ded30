import { afterAll, beforeAll, expect, test } from "bun:test";
// What the tools say to somebody who has just cloned the repository, or does not know their options.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
let clone: string;

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), "clone-"));
  cpSync(join(ROOT, "tools"), join(clone, "tools"), { recursive: true });
  writeFileSync(join(clone, "package.json"), '{ "packageManager": "bun@1.4.5" }');
});
afterAll(() => rmSync(clone, { recursive: true }));

function run(root: string, command: string, ...args: string[]) {
  // As on a machine where nobody has installed Bun.
  const env = { ...process.env, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
  const { status, stdout, stderr } = spawnSync(join(root, "tools", command), args, { encoding: "utf8", env });
  return { status, stdout, stderr };
}

test.each(["release", "package", "docs", "vm"])("tools/%s says what a clone lacks that is not set up", (command) => {
  expect(run(clone, command)).toEqual({
    status: 1,
    stdout: "",
    stderr: `${command}: this clone is not set up: run  sudo tools/bootstrap\n`,
  });
});

test.each([
  [["--arch", "x86_64"], "--arch x86_64: dp is built for x64 and arm64"],
  [["--level", "best"], "--level best: 0 to 9, as xz has them"],
  [["--output"], "--output takes a value"],
  [["--deb"], "--deb means nothing here"],
])("tools/package %p is refused before anything is done", (args, message) => {
  expect(run(ROOT, "package", ...args)).toEqual({
    status: 2,
    stdout: "",
    stderr: `package: ${message}\nhint: tools/package --help\n`,
  });
});

test.each(["bash", "zsh"])("tools/env.sh finds the clone from anywhere, in %s", (shell) => {
  const script = `. ${ROOT}/tools/env.sh && echo "$ROOT $BUN_VERSION" && command -v turbo`;
  const { stdout } = spawnSync(shell, ["-c", script], { cwd: "/", encoding: "utf8" });
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { packageManager: string };
  const version = packageManager.replace("bun@", "");
  expect(stdout).toBe(`${ROOT} ${version}\n${ROOT}/node_modules/.bin/turbo\n`);
});
