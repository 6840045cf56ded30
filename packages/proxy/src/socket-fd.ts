import type { Socket } from "node:net";

/**
 * The descriptor of a socket, or undefined once it is closed. Neither Bun nor Node has a public way to it; both keep
 * it at `_handle.fd` (tested, so a runtime that moves it fails the suite).
 */
export function socketFd(socket: Socket): number | undefined {
  const fd = (socket as { _handle?: { fd?: unknown } | null })._handle?.fd;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
