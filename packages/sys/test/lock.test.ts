import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatapathError, type Fd, lockDirectory, lockHolder } from "../src/index.ts";
import { commandOf, holderIn } from "../src/lock-holder.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dp-lock-"));
});
afterEach(() => {
  rmdirSync(directory);
});

/** A process that takes the lock of a directory, says so, and keeps it until it is killed. */
const HOLDER = `
import { lockDirectory } from "@dp/sys";
globalThis.lock = await lockDirectory(process.argv[1], 1000);
console.log("held");
setInterval(() => undefined, 1000);
`;

async function otherProcess(path: string) {
  const child = Bun.spawn([process.execPath, "-e", HOLDER, path], { cwd: import.meta.dir, stdout: "pipe" });
  await child.stdout.getReader().read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function failure(promise: Promise<Fd>): Promise<DatapathError> {
  const error = await promise.then(
    (lock) => lock.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DatapathError);
  return error as DatapathError;
}

test("a lock is exclusive, and the waiting process gets it when it is released", async () => {
  const first = await lockDirectory(directory, 1000);
  const order: string[] = [];
  const second = lockDirectory(directory, 20_000).then((lock) => {
    order.push("second");
    return lock;
  });
  order.push("first releases it");
  first.close();
  (await second).close();
  expect(order).toEqual(["first releases it", "second"]);
  expect(lockHolder(directory)).toBeUndefined();
});

test("a signal ends the wait with its reason, and nothing is held then", async () => {
  const first = await lockDirectory(directory, 1000);
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  const waiting = lockDirectory(directory, 60_000, undefined, controller.signal);
  setTimeout(() => controller.abort(reason), 20);
  expect(await waiting.catch((error: unknown) => error)).toBe(reason);
  first.close();
  const late = lockDirectory(directory, 60_000, undefined, controller.signal);
  expect(await late.catch((error: unknown) => error)).toBe(reason);
  expect(lockHolder(directory)).toBeUndefined();
});

test("a wait that times out names the process that holds the lock, by number and command", async () => {
  await using holder = await otherProcess(directory);
  expect(lockHolder(directory)).toMatchObject({
    pid: holder.pid,
    command: expect.stringContaining("bun"),
  });
  const error = await failure(lockDirectory(directory, 50));
  expect(error.code).toBe("BUSY");
  expect(error.message).toStartWith(`lock ${directory}: process ${holder.pid} (`);
  expect(error.message).toEndWith("is changing it, still after 0.05 s");
  expect(error.hint).toContain("--wait SECONDS");
  expect((await failure(lockDirectory(directory, 0))).message).toEndWith("is changing it");
});

test("a wait of more than a second reports the holder once, and ends when the holder is killed", async () => {
  const told: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await using holder = await otherProcess(directory);
  const waiting = lockDirectory(directory, 60_000, (holderNow) => {
    told.push(holderNow?.pid);
    resolve();
  });
  await promise;
  await Bun.sleep(200);
  expect(told).toEqual([holder.pid]);
  await holder[Symbol.asyncDispose]();
  (await waiting).close();
});

test("the holder is told from waiting processes, other kinds of locks and other files with the same number", () => {
  const locks = [
    "1: POSIX  ADVISORY  WRITE 11 00:2f:77 0 EOF",
    "2: FLOCK  ADVISORY  WRITE 12 00:30:77 0 EOF",
    "3: FLOCK  ADVISORY  READ 13 00:2f:77 0 EOF",
    "4: FLOCK  ADVISORY  WRITE 14 00:2f:770 0 EOF",
    "5: FLOCK  ADVISORY  WRITE 15 00:2f:77 0 EOF",
    "5: -> FLOCK  ADVISORY  WRITE 16 00:2f:77 0 EOF",
    "6: FLOCK  ADVISORY  WRITE 17 103:30d41:5 0 EOF",
  ].join("\n");
  expect(holderIn(locks, 0x2fn, 77n)).toBe(15);
  expect(holderIn(locks, 0x2fn, 7n)).toBeUndefined();
  // makedev(0x103, 0x30d41)
  expect(holderIn(locks, 0x3_0d_1_03_41n, 5n)).toBe(17);
  expect(holderIn("", 0x2fn, 77n)).toBeUndefined();
});

test("a command is one short line, whatever its words are, and nothing when it has ended", async () => {
  expect(commandOf(process.pid)).toContain("bun");
  expect(commandOf(2 ** 22 - 1)).toBe("");
  const words = ["-c", 'read -r; exit "$#"', "\x1b[31mred\n", "x".repeat(300)];
  const child = Bun.spawn(["bash", ...words], { stdin: "pipe" });
  try {
    while (!commandOf(child.pid).startsWith("bash -c")) await Bun.sleep(5);
    expect(commandOf(child.pid)).toBe(
      `bash -c read -r; exit "$#" \\u001b[31mred\\u000a ${"x".repeat(300)}`.slice(0, 120) + "...",
    );
  } finally {
    child.kill();
    await child.exited;
  }
});
