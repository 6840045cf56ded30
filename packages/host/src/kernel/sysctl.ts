import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { Errno, SyscallError } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";

/**
 * A sysctl below net/, of the calling thread's network namespace: the kernel uses the namespace of the thread that
 * opens the file, so this also works inside `withNetns`, whatever is mounted in the container.
 */
function pathOf(name: string, proc: string = "/proc"): string {
  return `${proc}/sys/net/${name}`;
}

/** Longer than any value: a list of every second port has 192 KiB. */
const LONGEST = 256 * 1024;
let buffer: Uint8Array | undefined;

/** The value, or undefined when this kernel has no such sysctl. */
export function readSysctl(name: string): string | undefined {
  try {
    const fd = openSync(pathOf(name), "r");
    try {
      // In one read: the kernel truncates a list to the buffer, and a second read returns nothing.
      buffer ??= new Uint8Array(LONGEST);
      const length = readSync(fd, buffer, 0, buffer.byteLength, 0);
      return new TextDecoder().decode(buffer.subarray(0, length)).trim();
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw sysctlError(`read net/${name}`, "open", name, error);
  }
}

/** Throws `SyscallError`. */
export function writeSysctl(name: string, value: string, op = `set net/${name}`, proc?: string): void {
  beforeChange("set", name);
  try {
    // "r+": opening must neither create nor truncate the file.
    writeFileSync(pathOf(name, proc), value, { flag: "r+" });
  } catch (error) {
    throw sysctlError(op, "write", name, error);
  }
}

/**
 * Writes a sysctl. Returns false when the kernel has no such sysctl.
 *
 * @param proc where a procfs is mounted
 */
export function writeSysctlIfThere(name: string, value: string, proc?: string): boolean {
  try {
    writeSysctl(name, value, undefined, proc);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return false;
    throw error;
  }
}

function sysctlError(op: string, syscall: string, name: string, cause: unknown): SyscallError {
  const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 5);
  const readOnly = errno === Errno.EROFS && {
    text: "the kernel's settings are read-only here",
    hint: "run dp on the host itself, or in a container that may: --privileged",
  };
  return new SyscallError(op, syscall, errno, { target: pathOf(name), cause, ...readOnly });
}
