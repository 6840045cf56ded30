import { readFileSync, statSync } from "node:fs";

/** Who holds the lock of a directory. */
export interface LockHolder {
  pid: number;
  /** With its arguments; "" when it ended meanwhile. */
  command: string;
}

/**
 * Who holds the flock(2) of a directory, by the kernel's own list of locks; undefined when nobody does, or somebody
 * this process cannot see (of another process namespace).
 * Throws for a directory that is not there.
 */
export function lockHolder(directory: string): LockHolder | undefined {
  const { dev, ino } = statSync(directory, { bigint: true });
  const pid = holderIn(readFileSync("/proc/locks", "latin1"), dev, ino);
  return pid === undefined ? undefined : { pid, command: commandOf(pid) };
}

/** The process that holds an exclusive flock(2) of a file, in the words of /proc/locks. */
export function holderIn(locks: string, device: bigint, inode: bigint): number | undefined {
  // NUMBER: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END, the device in hex (proc(5)). Who waits has "->".
  for (const line of locks.split("\n")) {
    const row = /^\d+: FLOCK +ADVISORY +WRITE +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(line);
    const [, pid, major, minor, file] = row ?? [];
    if (pid === undefined || major === undefined || minor === undefined || file === undefined) continue;
    const same = makeDevice(parseInt(major, 16), parseInt(minor, 16)) === device && BigInt(file) === inode;
    if (same && pid !== "0") return Number(pid);
  }
  return undefined;
}

/** As stat(2) puts a device's two numbers into one: makedev(3). */
function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & ~0xfffn) << 32n) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | (low & 0xffn);
}

/**
 * The command line of a process, for messages: cut where it gets long. "" when the process is gone. It throws nothing.
 */
export function commandOf(pid: number): string {
  try {
    const LONGEST = 120;
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
    const text = words === "" ? readFileSync(`/proc/${pid}/comm`, "utf8").trim() : words;
    // Whoever is named there chose the words: none of them may drive the terminal they are printed on.
    const plain = text.replace(/\p{Cc}/gu, "?");
    return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}...` : plain;
  } catch {
    return "";
  }
}
