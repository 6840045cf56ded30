import { constants } from "node:os";
import { DatapathError, type ErrorCode } from "./errors.ts";

const nameByNumber = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) {
  // EAGAIN and EWOULDBLOCK (and a few more pairs) share a number: the first, shorter name is the usual one.
  const known = nameByNumber.get(value);
  if (known === undefined || name.length < known.length) nameByNumber.set(value, name);
}
// EOPNOTSUPP shares its number with the shorter ENOTSUP; ENOTSUPP is the kernel's own, unknown to libuv.
for (const [value, name] of [
  [95, "EOPNOTSUPP"],
  [524, "ENOTSUPP"],
] as const) {
  nameByNumber.set(value, name);
}

/** `ENOENT` for 2; `E4001` for a number without a name. Throws nothing. */
export function errnoName(errno: number): string {
  return nameByNumber.get(errno) ?? `E${errno}`;
}

/** The errno(3) numbers of Linux that this project compares with. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENOTEMPTY: 39,
  ENOLINK: 67,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  ESTALE: 116,
  ENOTSUPP: 524,
} as const;

/** A system call failed. `target` is its object: a path, an interface, an address. */
export class SyscallError extends DatapathError {
  override readonly name = "SyscallError";
  readonly syscall: string;
  /** Positive errno(3) number. */
  readonly errno: number;
  readonly errnoName: string;
  readonly target: string | undefined;

  constructor(
    op: string,
    syscall: string,
    errno: number,
    options: {
      target?: string | undefined;
      cause?: unknown;
      hint?: string | undefined;
      text?: string | undefined;
    } = {},
  ) {
    const name = errnoName(errno);
    const code: ErrorCode = errno === Errno.EPERM || errno === Errno.EACCES ? "UNSUPPORTED" : "FAILED";
    const text = options.text ?? name;
    super(code, op, `${text} (${syscall}${options.target ? ` ${options.target}` : ""}: ${name})`, options);
    this.syscall = syscall;
    this.errno = errno;
    this.errnoName = name;
    this.target = options.target;
  }
}
