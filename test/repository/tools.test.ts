import { afterAll, beforeAll, describe, expect, test } from "bun:test";
// What the tools do in a new clone, and with arguments that they do not know.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** Every tool, but not what they source. */
const TOOLS = readdirSync(join(ROOT, "tools"), { withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith(".sh"))
  .map(({ name }) => name);

function run(root: string, command: string, ...args: string[]) {
  // As on a machine without Bun.
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
  [["--level=best"], "--level best: xz has levels from 0 to 9"],
  [["--output"], "--output needs a value"],
  [["--deb"], "unknown option --deb"],
  [["deb"], "unexpected argument deb"],
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

describe.each(TOOLS)("tools/%s, in a clone that is not set up,", (tool) => {
  test.each(["--help", "-h"])("prints its help with %s, from any folder", (option) => {
    const { status, stdout, stderr } = run(clone, tool, option);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").length).toBeGreaterThan(2);
    expect(stdout).not.toContain("set -euo");
    const elsewhere = spawnSync(`./${tool}`, [option], { cwd: join(clone, "tools"), encoding: "utf8" });
    expect(elsewhere.stdout).toBe(stdout);
  });

  test("refuses an option that it does not know, before it does anything", () => {
    expect(run(clone, tool, "--frobnicate")).toEqual({
      status: 2,
      stdout: "",
      stderr: `${tool}: unknown option --frobnicate\nhint: tools/${tool} --help\n`,
    });
    expect(readdirSync(clone).sort()).toEqual(["package.json", "tools"]);
  });
});

test("tools/leftovers says that it belongs into a sandbox", () => {
  const env = { PATH: process.env["PATH"] };
  const { status, stderr } = spawnSync(join(ROOT, "tools/leftovers"), { encoding: "utf8", env });
  expect(status).toBe(1);
  expect(stderr).toStartWith("leftovers: not in a sandbox: ");
});

describe("a step of a tool", () => {
  const step = (...command: string[]) => {
    const script = `set -euo pipefail; . ${ROOT}/tools/tool.sh; step "$@"; echo went on`;
    const { status, stdout, stderr } = spawnSync("bash", ["-c", script, join(ROOT, "tools/test"), ...command], {
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };

  test("is silent when it is quick", () => {
    expect(step("look", "echo", "seen")).toEqual({ status: 0, stdout: "went on\n", stderr: "" });
  });

  test("is told, with its time, when it takes long", () => {
    const { status, stdout, stderr } = step("look around", "sleep", "1.3");
    expect([status, stdout]).toEqual([0, "went on\n"]);
    expect(stderr).toMatch(/^test: look around \.\.\. \d+ s\n$/);
  });

  test("ends the tool when it fails, with everything that it printed", () => {
    const outcome = step("look", "bash", "-c", "echo one; echo two >&2; exit 7");
    expect(outcome).toEqual({ status: 1, stdout: "", stderr: "one\ntwo\ntest: failed: look\n" });
  });
});

test.each(["/run", "/var/tmp"])("tools/sandbox hides every bpffs below %s", (parent) => {
  if (process.env["SANDBOX"] !== "1") throw new Error("this mounts: run it in tools/sandbox");
  const folder = mkdtempSync(join(parent, "pins-"));
  const mounted: string[] = [];
  const mount = (type: string, ...names: string[]) => {
    const path = join(folder, ...names);
    mkdirSync(path, { recursive: true });
    expect(spawnSync("mount", ["-t", type, "none", path], { encoding: "utf8" }).stderr).toBe("");
    mounted.unshift(path);
    return path;
  };
  try {
    const twice = [mount("bpf", "a"), mount("bpf", "a")];
    const pins = [...twice, mount("bpf", "b c"), mount("bpf", "d"), mount("bpf", "d", "below")];
    mount("bpf", "covered", "by another mount");
    mount("tmpfs", "covered");
    const inside = 'for path; do stat --file-system --format %T "$path" 2>/dev/null; done; true';
    const { status, stdout, stderr } = run(ROOT, "sandbox", "bash", "-c", inside, "bash", "/run", ...pins);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toStartWith("tmpfs\n");
    expect(stdout).not.toContain("bpf");
  } finally {
    for (const path of mounted) spawnSync("umount", [path]);
    rmSync(folder, { recursive: true });
  }
});

describe("tools/test-failures", () => {
  const failures = (input: string) => spawnSync(join(ROOT, "tools/test-failures"), { input, encoding: "utf8" }).stdout;

  test("prints a failing test's file, output, error and name, and the summary, but nothing of other tests", () => {
    const folder = mkdtempSync(join(tmpdir(), "failures-"));
    const passing = 'test("passes", () => console.log("of no interest"));';
    const failing = 'test("fails", () => { console.log("own output"); expect(1).toBe(2); });';
    const file = (name: string, body: string) =>
      writeFileSync(join(folder, `${name}.test.ts`), `import { expect, test } from "bun:test";\n${body}\n`);
    file("good", passing);
    file("mixed", `${passing}\n${failing}\n${passing}`);
    file("thrown", `${passing}\nPromise.reject(new Error("between tests"));`);
    const command = `"${process.execPath}" test 2>&1`;
    const { stdout } = spawnSync("bash", ["-c", command], { cwd: folder, encoding: "utf8" });
    rmSync(folder, { recursive: true });
    const printed = failures(stdout);
    expect(stdout).toContain("(pass) passes");
    for (const text of [
      "mixed.test.ts:",
      "own output",
      "Expected: 2",
      "(fail) fails",
      "between tests",
      "\n 1 fail\n",
    ]) {
      expect(printed).toContain(text);
    }
    for (const text of ["(pass)", "good.test.ts"]) expect(printed).not.toContain(text);
  });

  test("prints what is no output of tests as it is", () => {
    expect(failures("a\nb\n")).toBe("a\nb\n");
  });
});
