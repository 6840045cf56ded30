import { Errno, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { check, errnoText, lastErrno, libc } from "./libc.ts";

const SOCK_CLOEXEC = 0o2000000;

/** socket(2), always with SOCK_CLOEXEC. Throws `SyscallError`. */
export function socket(domain: number, type: number, protocol: number, op = "open a socket"): Fd {
  return new Fd(check(libc.socket(domain, type | SOCK_CLOEXEC, protocol), op, "socket"));
}

/** bind(2) with a raw sockaddr. Throws `SyscallError`. */
export function bindSocket(fd: Fd, address: Uint8Array, op = "bind a socket"): void {
  check(libc.bind(fd.number, address, address.byteLength), op, "bind");
}

/** bind(2) for callers that expect it to fail. Returns 0, or a negative errno. Throws nothing. */
export function tryBind(fd: Fd, address: Uint8Array): number {
  return libc.bind(fd.number, address, address.byteLength) === 0 ? 0 : -lastErrno();
}

/** setsockopt(2), also on a descriptor that the caller does not own. Throws `SyscallError`. */
export function setSocketOption(fd: Fd | number, level: number, name: number, value: Uint8Array, op: string): void {
  const number = typeof fd === "number" ? fd : fd.number;
  check(libc.setsockopt(number, level, name, value, value.byteLength), op, "setsockopt");
}

/**
 * getsockopt(2) on a descriptor that the caller does not own. Fills `value` and returns the length written, or a
 * negative errno: callers expect that an option has no value. It throws nothing.
 */
export function getSocketOption(fd: number, level: number, name: number, value: Uint8Array): number {
  const length = new Uint32Array([value.byteLength]);
  if (libc.getsockopt(fd, level, name, value, length) !== 0) return -lastErrno();
  return length[0] as number;
}

/** send(2) of one whole datagram. Throws `SyscallError`. */
export function send(fd: Fd, data: Uint8Array, op: string): void {
  for (;;) {
    if (libc.send(fd.number, data, data.byteLength, 0) >= 0) return;
    const errno = lastErrno();
    if (errno !== Errno.EINTR) throw new SyscallError(op, "send", errno, { text: errnoText(errno) });
  }
}

/** recv(2) flags. */
export const MSG_PEEK = 2;
/** The length of the whole datagram, also when it is longer than the buffer (recv(2)). */
export const MSG_TRUNC = 0x20;

/**
 * recv(2) into `buffer`; with MSG_TRUNC the real length of the datagram, even when longer than the buffer. Throws
 * `SyscallError`.
 */
export function receive(fd: Fd, buffer: Uint8Array, flags: number, op: string): number {
  for (;;) {
    const length = libc.recv(fd.number, buffer, buffer.byteLength, flags);
    if (length >= 0) return Number(length);
    const errno = lastErrno();
    if (errno !== Errno.EINTR) throw new SyscallError(op, "recv", errno, { text: errnoText(errno) });
  }
}
