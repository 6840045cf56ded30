import type { Socket } from "node:net";
import { setSocketOption, SyscallError } from "@dp/sys";
import { socketFd } from "../socket-fd.ts";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;

/**
 * Limits the kernel's two buffers of a socket, and with them the size of one read. Without a limit the kernel lets them
 * grow with the speed and the delay of the connection, to many megabytes each.
 */
export function limitSocketBuffers(socket: Socket, bytes: number): void {
  const fd = socketFd(socket);
  if (fd === undefined) return;
  // The kernel doubles the number, for what it needs beside the payload.
  const value = new Uint8Array(Int32Array.of(bytes).buffer);
  try {
    for (const name of [SO_RCVBUF, SO_SNDBUF]) setSocketOption(fd, SOL_SOCKET, name, value, "limit a socket's buffer");
  } catch (error) {
    // The socket was closed in the meantime.
    if (!(error instanceof SyscallError)) throw error;
  }
}
