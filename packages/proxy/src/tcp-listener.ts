import { createServer, type Server, type Socket } from "node:net";
import { deferred } from "./deferred.ts";
import type { Endpoint } from "./endpoint.ts";
import { listenError } from "./listen-error.ts";

/** Room for the bursts of many containers at once; the kernel takes no more than net.core.somaxconn. */
const BACKLOG = 4096;

export interface TcpListener {
  readonly port: number;
  /** Accepts no more connections; open ones stay open. */
  close(): void;
}

/**
 * Listens. Accepted sockets are paused and may be half-open.
 *
 * @throws DatapathError `CONFLICT` for a port in use, `FAILED` otherwise
 */
export async function listenTcp(
  endpoint: Endpoint,
  onConnection: (socket: Socket) => void,
  warn: (message: string) => void,
): Promise<TcpListener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, onConnection);
  const { promise, resolve, reject } = deferred<void>();
  server.once("error", (error) => reject(listenError(endpoint, "tcp", error)));
  server.listen({ host: endpoint.address, port: endpoint.port, backlog: BACKLOG, exclusive: true }, resolve);
  await promise;
  server.removeAllListeners("error");
  server.on("error", (error) => warn(`listener on port ${portOf(server)}: ${error.message}`));
  return { port: portOf(server), close: () => void server.close() };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
