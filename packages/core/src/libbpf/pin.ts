import { lstatSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatapathError, Errno, Fd, isBpffs, type SyscallError } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { libbpf } from "../ffi/libbpf.ts";
import { callError, check } from "./errors.ts";

/** What can be pinned. */
export type PinKind = "program" | "map" | "link";

/** What readlink(2) says of the descriptor the kernel hands out for a pin. */
const KIND_BY_FILE: Readonly<Record<string, PinKind>> = {
  "anon_inode:bpf-prog": "program",
  "anon_inode:bpf-map": "map",
  "anon_inode:bpf_link": "link",
  "anon_inode:bpf-link": "link",
};

/**
 * Pins whatever `fd` is at `path` on a bpffs (BPF_OBJ_PIN): it then outlives this process.
 *
 * The folder must exist; the name may hold no "." (bpffs keeps those for itself). Throws `SyscallError`: EEXIST when
 * the path is taken.
 */
export function pin(fd: number, path: string): void {
  beforeChange("pin", path);
  // SAFETY: libbpf and the kernel read the path during the call only.
  const result = libbpf.objectPin(fd, path);
  if (result >= 0) return;
  throw callError(result, { op: `pin at ${path}`, call: "bpf_obj_pin", target: path, hint: pinHint(path, -result) });
}

function pinHint(path: string, errno: number): string | undefined {
  const folder = dirname(path);
  if (errno === Errno.ENOENT) return `${folder} does not exist`;
  if (errno === Errno.EPERM || errno === Errno.EINVAL) {
    if (!isBpffs(folder)) return `${folder} is not on a bpffs (mount -t bpf bpf FOLDER)`;
    if (path.slice(folder.length + 1).includes(".")) return 'names on a bpffs must not have a "." in them';
  }
  return undefined;
}

/**
 * Pins at `path` and replaces what is pinned there in one step: the path always has a pin.
 *
 * It pins under a temporary name, then renames, which bpffs does atomically within a folder.
 * Throws `SyscallError`.
 */
export function pinOver(fd: number, path: string): void {
  // Unique among processes and calls, also with a killed process that had the same number.
  const temporary = join(dirname(path), `tmp_${process.pid}_${Math.floor(Math.random() * 2 ** 48)}`);
  pin(fd, temporary);
  try {
    renamePin(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Renames a pin within its folder, in one step. It replaces a pin of that name. */
export function renamePin(from: string, to: string): void {
  try {
    beforeChange("rename to", to);
    renameSync(from, to);
  } catch (cause) {
    if (cause instanceof DatapathError) throw cause;
    throw fileError(`pin at ${to}`, "rename", to, cause);
  }
}

/**
 * Removes a pin. False when there was none. Refuses a path that is not on a bpffs: it is an ordinary file. Throws
 * `DatapathError` for such a path, `SyscallError` otherwise.
 */
export function unpin(path: string): boolean {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
    if (!isBpffs(path)) throw new DatapathError("FAILED", `unpin ${path}`, "it is not on a bpffs");
    beforeChange("unpin", path);
    rmSync(path);
    return true;
  } catch (cause) {
    if (cause instanceof DatapathError) throw cause;
    // Another process removed it meanwhile.
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw fileError(`unpin ${path}`, "unlink", path, cause);
  }
}

/** What is pinned at a path; undefined when nothing is there. Throws `SyscallError` without the privileges to look. */
export function pinnedKind(path: string): PinKind | undefined {
  using fd = get(path, `look at the pin ${path}`);
  return fd === undefined ? undefined : kindOf(fd);
}

/** Opens a pin (BPF_OBJ_GET); undefined when nothing is there. Throws when it is of another kind than expected. */
export function openPin(path: string, kind: PinKind): Fd | undefined {
  const op = `open the pinned ${kind} ${path}`;
  const fd = get(path, op);
  if (fd === undefined) return undefined;
  const actual = kindOf(fd);
  if (actual === kind) return fd;
  fd.close();
  throw new DatapathError("FAILED", op, `it is a ${actual ?? "thing unknown here"}, not a ${kind}`);
}

function get(path: string, op: string): Fd | undefined {
  // SAFETY: libbpf and the kernel read the path during the call only.
  const result = libbpf.objectGet(path);
  if (result === -Errno.ENOENT || result === -Errno.ENOTDIR) return undefined;
  return new Fd(check(result, { op, call: "bpf_obj_get", target: path }));
}

function kindOf(fd: Fd): PinKind | undefined {
  return KIND_BY_FILE[readlinkSync(`/proc/self/fd/${fd.number}`)];
}

/** As {@link openPin}, for a pin that has to be there: throws `SyscallError` ENOENT when it is not. */
export function requirePin(path: string, kind: PinKind): Fd {
  const fd = openPin(path, kind);
  if (fd !== undefined) return fd;
  throw callError(-Errno.ENOENT, { op: `open the pinned ${kind} ${path}`, call: "bpf_obj_get", target: path });
}

function fileError(op: string, syscall: string, path: string, cause: unknown): SyscallError {
  const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0);
  return callError(-errno, { op, call: syscall, target: path }) as SyscallError;
}
