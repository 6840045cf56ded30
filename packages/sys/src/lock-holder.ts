import { readFileSync, statSync } from "node:fs";
import { printable } from "./printable.ts";

/** The process that holds the lock of a directory. */
export interface LockHolder {
  pid: number;
  /** With its arguments; "" when the process has ended. */
  command: string;
}

/**
 * The process that holds the flock(2) of a directory, by the kernel's list of locks; undefined when no process holds
 * it, or a process of another process namespace. Throws when the directory does not exist.
 */
export function lockHolder(directory: string): LockHolder | undefined {
  const { dev, ino } = statSync(directory, { bigint: true });
  const pid = holderIn(readFileSync("/proc/locks", "latin1"), dev, ino);
  return pid === undefined ? undefined : { pid, command: commandOf(pid) };
}

/** The process that holds an exclusive flock(2) of a file, from the text of /proc/locks. */
export function holderIn(locks: string, device: bigint, inode: bigint): number | undefined {
  // NUMBER: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END, the device in hex (proc(5)). A waiting process has
  // "->".
  for (const line of locks.split("\n")) {
    const row = /^\d+: FLOCK +ADVISORY +WRITE +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(line);
    const [, pid, major, minor, file] = row ?? [];
    if (pid === undefined || major === undefined || minor === undefined || file === undefined) continue;
    const same = makeDevice(parseInt(major, 16), parseInt(minor, 16)) === device && BigInt(file) === inode;
    if (same && pid !== "0") return Number(pid);
  }
  return undefined;
}

/** The number that stat(2) has for a device's major and minor: makedev(3). */
function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & ~0xfffn) << 32n) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | (low & 0xffn);
}

/**
 * The command line of a process, for messages: cut at 120 characters. "" when the process has ended. It throws nothing.
 */
export function commandOf(pid: number): string {
  try {
    const LONGEST = 120;
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
    const text = words === "" ? readFileSync(`/proc/${pid}/comm`, "utf8").trim() : words;
    // The process chose this text.
    const plain = printable(text);
    return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}...` : plain;
  } catch {
    return "";
  }
}
