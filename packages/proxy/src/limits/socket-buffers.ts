import type { Socket } from "node:net";
import { setSocketOption, SyscallError } from "@dp/sys";
import { socketFd } from "../socket-fd.ts";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;

/**
 * Limits what the kernel holds for a socket in each direction, and with it what one read can bring. Without a limit it
 * is as much as the connection's speed and delay ask for, many megabytes each way.
 */
export function limitSocketBuffers(socket: Socket, bytes: number): void {
  const fd = socketFd(socket);
  if (fd === undefined) return;
  // The kernel doubles the number, for what it needs beside the payload.
  const value = new Uint8Array(Int32Array.of(bytes).buffer);
  try {
    for (const name of [SO_RCVBUF, SO_SNDBUF]) setSocketOption(fd, SOL_SOCKET, name, value, "limit a socket's buffer");
  } catch (error) {
    // Closed meanwhile.
    if (!(error instanceof SyscallError)) throw error;
  }
}
