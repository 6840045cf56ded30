/** A bpffs that other users may write to: what is pinned, and its lock, stay root's. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { isBpffs } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { doctor, list, load, status, unload } from "../src/index.ts";
import { pinRoots } from "../src/pins/other-roots.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

const STRANGER = 65534;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
  // As `mount -t bpf bpf PATH` mounts it: without a mode, every user may create files.
  mkdirSync(sandbox.pinRoot);
  run("mount", "-t", "bpf", "bpf", sandbox.pinRoot);
  expect(lstatSync(sandbox.pinRoot).mode & 0o7777).toBe(0o1777);
  chmodSync(dirname(sandbox.pinRoot), 0o755);
});
afterEach(() => sandbox[Symbol.dispose]());

/** A command of another user. */
function byStranger(...command: string[]) {
  const { status: code, stderr } = spawnSync("setpriv", [`--reuid=${STRANGER}`, "--clear-groups", ...command], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { code, stderr };
}

async function refusal(change: Promise<unknown>): Promise<unknown> {
  return change.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function mode(folder: string): string {
  const { uid, mode: bits } = lstatSync(join(sandbox.pinRoot, folder));
  return `${uid} ${(bits & 0o777).toString(8)}`;
}

test("another user cannot hold the lock, list pins or remove them, and doctor reports the mount", async () => {
  await load(sandbox.options);
  expect([mode("progs"), mode("maps")]).toEqual(["0 700", "0 700"]);
  for (const folder of ["progs", "maps"]) {
    const path = join(sandbox.pinRoot, folder);
    expect(byStranger("flock", "--nonblock", path, "true").stderr).toContain("Permission denied");
    expect(byStranger("ls", path).stderr).toContain("Permission denied");
    expect(byStranger("mv", path, `${path}2`).code).not.toBe(0);
  }
  expect(byStranger("rm", join(sandbox.pinRoot, "progs/dp_guard_ipv4")).code).not.toBe(0);
  // The lock of the mount itself is no lock of datapath's.
  using holder = holdByStranger(sandbox.pinRoot);
  expect(holder.holds).toBe(true);
  await load({ ...sandbox.options, lockTimeoutMs: 0 });
  const report = await doctor(sandbox.options);
  expect(report.checks.find(({ name }) => name === "bpffs")?.findings).toMatchObject([
    { code: "pin-root-writable", severity: "warning" },
  ]);
  await unload(sandbox.options);
});

/** Another user's process that has the lock of a folder. */
function holdByStranger(folder: string): Disposable & { holds: boolean } {
  const command = ["setpriv", `--reuid=${STRANGER}`, "--clear-groups", "flock", "--no-fork", folder, "sleep", "60"];
  const child = Bun.spawn(command);
  const until = Date.now() + 10_000;
  const isHeld = () => spawnSync("flock", ["--nonblock", folder, "true"]).status === 1;
  while (!isHeld() && Date.now() < until) Bun.sleepSync(20);
  return { holds: isHeld(), [Symbol.dispose]: () => child.kill("SIGKILL") };
}

test.each(["progs", "maps", "replaced"])(
  "a folder %s of another user is refused, and doctor says whose",
  async (folder) => {
    const path = join(sandbox.pinRoot, folder);
    expect(byStranger("mkdir", path)).toEqual({ code: 0, stderr: "" });
    const before = sandbox.observe();
    for (const change of [load, unload, list, status]) {
      const error = await refusal(change(sandbox.options));
      expect(error).toMatchObject({ code: "CONFLICT" });
      expect((error as Error).message).toContain(`${path} belongs to user ${STRANGER}`);
    }
    expect((await doctor(sandbox.options)).checks.find(({ name }) => name === "bpffs")).toMatchObject({
      ok: false,
      findings: [{ code: "pin-root-unsafe" }],
    });
    expect(sandbox.observe()).toEqual(before);
    rmdirSync(path);
  },
);

test("a mount in which other users could replace folders is refused", async () => {
  chmodSync(sandbox.pinRoot, 0o777);
  expect(await refusal(load(sandbox.options))).toMatchObject({ code: "CONFLICT" });
  chmodSync(sandbox.pinRoot, 0o1777);
  chownSync(sandbox.pinRoot, STRANGER, STRANGER);
  expect(await refusal(load(sandbox.options))).toMatchObject({ code: "CONFLICT" });
  chownSync(sandbox.pinRoot, 0, 0);
  await load(sandbox.options);
  await unload(sandbox.options);
  expect(existsSync(join(sandbox.pinRoot, "progs"))).toBe(false);
  expect(isBpffs(sandbox.pinRoot)).toBe(true);
});

test("folders of root that are open to others are closed by the next change", async () => {
  for (const folder of ["progs", "maps"]) {
    mkdirSync(join(sandbox.pinRoot, folder));
    chmodSync(join(sandbox.pinRoot, folder), 0o777);
  }
  await load(sandbox.options);
  expect([mode("progs"), mode("maps")]).toEqual(["0 700", "0 700"]);
  await unload(sandbox.options);
});

test("a pin root of another user does not say anything of this host's interfaces", () => {
  expect(byStranger("mkdir", join(sandbox.pinRoot, "maps"))).toEqual({ code: 0, stderr: "" });
  expect(byStranger("mkdir", join(sandbox.pinRoot, "maps/dp_records"))).toEqual({ code: 0, stderr: "" });
  expect(pinRoots().filter((root) => root.endsWith(sandbox.pinRoot))).toEqual([]);
  run("rm", "-r", join(sandbox.pinRoot, "maps"));
});
