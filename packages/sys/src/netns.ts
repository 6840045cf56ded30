import { statSync } from "node:fs";
import { DatapathError } from "./errors.ts";
import { Fd, O_RDONLY, open } from "./fd.ts";
import { check, libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;
const NSFS_MAGIC = 0x6e736673;
const NS_GET_USERNS = 0xb701;
const NS_GET_NSTYPE = 0xb703;

/** This thread's network namespace, as an open file (setns(2)). Throws `SyscallError`. */
export function currentNetns(): Fd {
  return open("/proc/thread-self/ns/net", O_RDONLY, "open this thread's network namespace");
}

/**
 * Makes a network namespace with nothing but a loopback interface, which is gone with the last descriptor of it and of
 * the sockets in it. Throws `SyscallError` (unshare(2): EPERM without CAP_SYS_ADMIN).
 */
export function newNetns(): Fd {
  const op = "make a network namespace";
  using home = currentNetns();
  check(libc.unshare(CLONE_NEWNET), op, "unshare");
  try {
    return currentNetns();
  } finally {
    returnTo(home);
  }
}

/** Opens a network namespace by its path. Throws `SyscallError`, or `DatapathError` for another kind of file. */
export function openNetns(path: string): Fd {
  const fd = open(path, O_RDONLY, `open network namespace ${path}`);
  try {
    const buf = new Uint8Array(120);
    check(libc.statfs(`/proc/self/fd/${fd.number}`, buf), `open network namespace ${path}`, "statfs", path);
    const magic = new DataView(buf.buffer).getBigInt64(0, true);
    if (magic !== BigInt(NSFS_MAGIC)) {
      throw new DatapathError("FAILED", `open network namespace ${path}`, "it is not a namespace file");
    }
    if (libc.ioctl(fd.number, NS_GET_NSTYPE, null) !== CLONE_NEWNET) {
      throw new DatapathError("FAILED", `open network namespace ${path}`, "it is not a network namespace");
    }
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * Identifies a namespace for as long as it lives: two paths with the same value name the same namespace. Throws when
 * the descriptor is closed.
 */
export function netnsInode(fd: Fd): bigint {
  return statSync(`/proc/self/fd/${fd.number}`, { bigint: true }).ino;
}

/**
 * The inode number of the user namespace that owns a network namespace: processes with CAP_NET_ADMIN there, or in a
 * parent of it, administer that network. Throws `SyscallError`: EPERM for a user namespace outside of the caller's.
 */
export function netnsOwner(fd: Fd): bigint {
  const op = "find the owner of a network namespace";
  using owner = new Fd(check(libc.ioctl(fd.number, NS_GET_USERNS, null), op, "ioctl NS_GET_USERNS"));
  return netnsInode(owner);
}

/**
 * Runs `body` with this thread inside another network namespace, and returns to the old one.
 *
 * `body` must be synchronous: after the first `await`, other code would run in the wrong namespace. Sockets opened
 * inside stay in that namespace for life. If the way back fails the process is aborted, since whatever it did next
 * would happen to another tenant's network (setns(2)).
 * Throws what `body` throws, and `SyscallError` without CAP_SYS_ADMIN.
 */
export function withNetns<T>(target: Fd, body: () => T extends PromiseLike<unknown> ? never : T): T {
  using home = currentNetns();
  check(libc.setns(target.number, CLONE_NEWNET), "enter the network namespace", "setns");
  try {
    return body();
  } finally {
    returnTo(home);
  }
}

function returnTo(home: Fd): void {
  if (libc.setns(home.number, CLONE_NEWNET) === 0) return;
  process.stderr.write("datapath: cannot return to the host's network namespace; aborting\n");
  process.abort();
}

/**
 * getsockopt SO_NETNS_COOKIE of a fresh socket: the kernel's never-reused 64-bit number of this namespace (5.14+).
 * Throws `SyscallError` (setns(2): EPERM without CAP_SYS_ADMIN).
 */
export function netnsCookie(target: Fd): bigint {
  const AF_INET = 2;
  const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
  const SOL_SOCKET = 1;
  const SO_NETNS_COOKIE = 71;
  const op = "read the network namespace's cookie";
  return withNetns(target, () => {
    using socket = new Fd(check(libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), op, "socket"));
    const value = new BigUint64Array(1);
    const length = new Uint32Array([8]);
    check(libc.getsockopt(socket.number, SOL_SOCKET, SO_NETNS_COOKIE, value, length), op, "getsockopt");
    return value[0] as bigint;
  });
}
