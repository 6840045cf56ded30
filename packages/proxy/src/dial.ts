import { connect, type Socket } from "node:net";
import type { Endpoint } from "./endpoint.ts";
import type { Outcome } from "./log/connection-log.ts";

export interface DialOptions {
  readonly timeoutMs: number;
  readonly onConnect: (socket: Socket) => void;
  readonly onFailure: (outcome: Outcome) => void;
}

/**
 * Connects to an address. One of the two callbacks is called, once, unless `cancel` is called first. The socket is
 * paused, may be half-open, and has no `error` listener.
 */
export function dial(
  { address, port }: Endpoint,
  { timeoutMs, onConnect, onFailure }: DialOptions,
): { cancel(): void } {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  socket.pause();
  const settle = () => {
    clearTimeout(timer);
    socket.off("connect", connected);
    // Errors after the cancellation are ignored; without a listener they would end the process.
    socket.off("error", failed).on("error", () => {});
  };
  const connected = () => {
    settle();
    socket.removeAllListeners("error");
    onConnect(socket);
  };
  const failed = (error: NodeJS.ErrnoException) => {
    settle();
    socket.destroy();
    onFailure(error.code === "ETIMEDOUT" ? "timeout:connect" : `connect-failed:${error.code ?? "UNKNOWN"}`);
  };
  const timer = setTimeout(() => {
    settle();
    socket.destroy();
    onFailure("timeout:connect");
  }, timeoutMs);
  socket.on("connect", connected).on("error", failed);
  return {
    cancel() {
      settle();
      socket.destroy();
    },
  };
}
