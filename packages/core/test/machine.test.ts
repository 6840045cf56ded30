/** What the library does on machines that lack something: each case in a process of its own. */
import { expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

/** Runs a script in which `attempt(body)` prints the error of `body`; what it printed. */
function run(wrapper: string[], script: string): { stdout: string; stderr: string } {
  const prologue = `
    import * as libbpf from "@dp/core/libbpf";
    import * as core from "@dp/core";
    import { readFileSync } from "node:fs";
    const attempt = (body) => {
      try { console.log("done", body()); } catch (error) {
        console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message, hint: error.hint }));
      }
    };`;
  const { stdout, stderr } = Bun.spawnSync([...wrapper, process.execPath, "-e", prologue + script], {
    cwd: import.meta.dirname,
    stdin: fixture("packet"),
  });
  return { stdout: stdout.toString(), stderr: stderr.toString() };
}

test("importing the package does not load libbpf", () => {
  const { stdout } = run([], `console.log(/libbpf|libelf/.test(readFileSync("/proc/self/maps", "utf8")));`);
  expect(stdout).toBe("false\n");
});

test("without libbpf, the error says what to install", () => {
  const library = realpathSync("/usr/lib/x86_64-linux-gnu/libbpf.so.1");
  const hidden = ["unshare", "--mount", "sh", "-c", `mount --bind /dev/null ${library} && exec "$@"`, "sh"];
  const { stdout, stderr } = run(hidden, `attempt(() => libbpf.libbpfVersion());`);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toMatchObject({
    name: "UnsupportedError",
    code: "UNSUPPORTED",
    message: expect.stringContaining("load libbpf.so.1: "),
    hint: "install it: apt-get install libbpf1",
  });
});

test("with a libbpf that lacks something, the error says what, and that a newer one is needed", () => {
  const library = realpathSync("/usr/lib/x86_64-linux-gnu/libbpf.so.1");
  const folder = mkdtempSync(join(tmpdir(), "old-libbpf-"));
  writeFileSync(
    join(folder, "old.c"),
    'const char *libbpf_version_string(void) { return "v1.0"; } void *libbpf_set_print(void *f) { return 0; }',
  );
  const build = ["clang", "-shared", "-fPIC", "-Wl,-soname,libbpf.so.1", "-o", "old.so", "old.c"];
  expect(Bun.spawnSync(build, { cwd: folder }).exitCode).toBe(0);
  const bound = `mount --bind ${folder}/old.so ${library} && exec "$@"`;
  const { stdout, stderr } = run(
    ["unshare", "--mount", "sh", "-c", bound, "sh"],
    `attempt(() => libbpf.libbpfVersion()); attempt(() => libbpf.requireLibbpf()); attempt(() => libbpf.hasTcx());`,
  );
  rmSync(folder, { recursive: true });
  expect(stderr).toBe("");
  const [version, ...errors] = stdout.trimEnd().split("\n");
  expect(version).toBe("done 1.0");
  expect(errors).toHaveLength(2);
  for (const error of errors) {
    expect(JSON.parse(error)).toMatchObject({
      name: "UnsupportedError",
      message: expect.stringMatching(/^load libbpf.so.1: it has no \w+$/),
      hint: "install it: apt-get install libbpf1",
    });
  }
});

// An ordinary user, but for this: the clone may lie where only root can read.
const READS_ALL = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"];
const UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...READS_ALL];

test("without privileges, the error says which are missing, and stderr stays empty", () => {
  const { stdout, stderr } = run(
    UNPRIVILEGED,
    `attempt(() => libbpf.BpfObject.open(new Uint8Array(readFileSync(0)), { name: "packet" }).load());
     attempt(() => libbpf.hasTcx());
     attempt(() => libbpf.BpfMap.fromId(1, libbpf.u32, libbpf.u32));
     attempt(() => core.loadBpf({ pinRoot: "/sys/fs/bpf" }));`,
  );
  expect(stderr).toBe("");
  const errors = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>);
  expect(errors).toHaveLength(4);
  for (const error of errors) {
    if (error["message"]?.includes("is not on a bpffs")) continue;
    expect(error).toMatchObject({ name: "SyscallError", code: "UNSUPPORTED" });
    expect(error["message"]).toMatch(/E(PERM|ACCES)\)$/);
    expect(error["hint"]).toContain("run as root");
  }
});
