import type { Socket } from "node:net";
import { getSocketOption } from "@dp/sys";
import { socketFd } from "./socket-fd.ts";

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
// struct tcp_info: __u32 tcpi_unacked, the segments sent and not acknowledged; __u32 tcpi_notsent_bytes (Linux 4.6).
const TCPI_UNACKED = 24;
const TCPI_NOTSENT_BYTES = 144;

const POLL_MS = 20;
const TIMEOUT_MS = 5000;

/**
 * Resets a connection once everything written to it is acknowledged, or after five seconds.
 *
 * A reset discards what is still on its way. When a destination answers and then resets (as programs do that close a
 * socket with unread data), the answer would be lost here, although without a proxy it would have arrived.
 */
export function resetWhenDelivered(socket: Socket): void {
  const deadline = performance.now() + TIMEOUT_MS;
  const poll = () => {
    if (socket.destroyed) return;
    if (isDelivered(socket) || performance.now() > deadline) socket.resetAndDestroy();
    else setTimeout(poll, POLL_MS);
  };
  poll();
}

function isDelivered(socket: Socket): boolean {
  const fd = socketFd(socket);
  if (fd === undefined) return true;
  if (socket.writableLength > 0) return false;
  const info = new Uint8Array(TCPI_NOTSENT_BYTES + 4);
  if (getSocketOption(fd, IPPROTO_TCP, TCP_INFO, info) < info.length) return true;
  const view = new DataView(info.buffer);
  return view.getUint32(TCPI_UNACKED) === 0 && view.getUint32(TCPI_NOTSENT_BYTES) === 0;
}
