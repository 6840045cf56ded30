import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  currentNetns,
  Errno,
  errnoName,
  errnoText,
  isBpffs,
  isCgroup2,
  netnsCookie,
  netnsInode,
  open,
  openNetns,
  O_RDONLY,
  SyscallError,
} from "../src/index.ts";

test("errno numbers have the names that errno(3) gives them", () => {
  expect(errnoName(1)).toBe("EPERM");
  expect(errnoName(2)).toBe("ENOENT");
  expect(errnoName(11)).toBe("EAGAIN");
  expect(errnoName(95)).toBe("EOPNOTSUPP");
  expect(errnoName(524)).toBe("ENOTSUPP");
  expect(errnoName(4001)).toBe("E4001");
  expect(errnoText(2)).toBe("No such file or directory");
});

test("opening what is not there throws an error that says which call, which path and why", () => {
  try {
    open("/nonexistent/file", O_RDONLY);
    throw new Error("it opened");
  } catch (error) {
    expect(error).toBeInstanceOf(SyscallError);
    const e = error as SyscallError;
    expect([e.syscall, e.errno, e.errnoName, e.target]).toEqual(["open", Errno.ENOENT, "ENOENT", "/nonexistent/file"]);
    expect(e.message).toContain("No such file or directory");
  }
});

test("a descriptor is closed once, and its number is not handed out after that", () => {
  const fd = open("/dev/null", O_RDONLY);
  const number = fd.number;
  fd.close();
  fd.close();
  expect(fd.closed).toBe(true);
  expect(() => fd.number).toThrow("closed");
  // The kernel gives the lowest free number: had the first not been closed, this would be another.
  using again = open("/dev/null", O_RDONLY);
  expect(again.number).toBe(number);
});

test("a file that is not a namespace is refused", () => {
  expect(() => openNetns("/dev/null")).toThrow("not a namespace file");
  expect(() => openNetns("/proc/nonexistent")).toThrow("No such file or directory");
});

test("this thread's namespace has one inode and one cookie", () => {
  using a = currentNetns();
  using b = openNetns("/proc/self/ns/net");
  expect(netnsInode(a)).toBe(netnsInode(b));
  expect(netnsCookie(a)).toBe(netnsCookie(b));
  expect(netnsCookie(a)).toBeGreaterThan(0n);
});

test("filesystems are told by their magic number", () => {
  expect(isBpffs("/proc")).toBe(false);
  expect(isCgroup2("/proc")).toBe(false);
  expect(isBpffs("/nonexistent")).toBe(false);
});

test("the limit of open files is raised as far as it may be", () => {
  const lowered = Bun.spawnSync(["bash", "-c", 'ulimit -Sn 256; exec "$@"', "bash", process.execPath, "-e", RAISE], {
    cwd: import.meta.dir,
  });
  expect(lowered.stderr.toString()).toBe("");
  const [, hard] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  expect(JSON.parse(lowered.stdout.toString())).toEqual([hard, hard]);
});

/** The runtime may have raised it already: it is lowered again first. */
const RAISE = `
import { readFileSync } from "node:fs";
import { raiseDescriptorLimit } from "@dp/sys";
const limits = () => /^Max open files +(\\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))[1];
Bun.spawnSync(["prlimit", "--pid", String(process.pid), "--nofile=256:"]);
if (limits() !== "256") throw new Error("it cannot be lowered");
console.log(JSON.stringify([String(raiseDescriptorLimit()), limits()]));
`;
