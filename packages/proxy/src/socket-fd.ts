import type { Socket } from "node:net";

/**
 * The descriptor of a socket, or undefined once it is closed. Neither Bun nor Node offers it in public; both keep it in
 * `_handle.fd`. The tests fail with a runtime that changes this.
 */
export function socketFd(socket: Socket): number | undefined {
  const fd = (socket as { _handle?: { fd?: unknown } | null })._handle?.fd;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
