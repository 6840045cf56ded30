import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { deferred } from "../deferred.ts";
import type { Endpoint } from "../endpoint.ts";
import { listenError } from "../listen-error.ts";
import type { ServerIdentity } from "../log/connection-log.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { answerQuery } from "./answer-query.ts";

/** Holds a burst of queries while the event loop is busy; the kernel's default is about 200 kB. */
const RECEIVE_BUFFER = 1024 * 1024;

/**
 * The errors that ICMP reports for an earlier answer, whose container no longer waited for it. Bun enables IP_RECVERR,
 * so the kernel reports such an error by failing the next call on the socket, whatever its destination. That call has
 * sent nothing. So it is tried again: otherwise one container could suppress the answers to another one.
 */
const ICMP_ERRORS: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EACCES",
]);
/**
 * How often one answer is sent again. More errors are pending at a time only when a container causes them on purpose.
 */
const MAX_RESENDS = 16;

/**
 * The DNS listener for UDP. Its socket has no fixed address: the kernel sends an answer from the source address of the
 * route to the container. That is the address of its host peer, which the query was sent to.
 */
export class DnsUdpListener {
  readonly #socket: Socket;
  readonly #context: ProxyContext;
  #accepting = true;

  /** @throws DatapathError `CONFLICT` for a port in use, `FAILED` otherwise */
  static async open(
    context: ProxyContext,
    endpoint: Endpoint,
    warn: (message: string) => void,
  ): Promise<DnsUdpListener> {
    const socket = createSocket("udp4");
    const { promise, resolve, reject } = deferred<void>();
    socket.once("error", (error) => reject(listenError(endpoint, "udp", error)));
    socket.bind({ address: endpoint.address, port: endpoint.port, exclusive: true }, resolve);
    try {
      await promise;
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.removeAllListeners("error");
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!ICMP_ERRORS.has(error.code ?? "")) warn(`DNS listener: ${error.message}`);
    });
    socket.setRecvBufferSize(RECEIVE_BUFFER);
    return new DnsUdpListener(socket, context);
  }

  private constructor(socket: Socket, context: ProxyContext) {
    this.#socket = socket;
    this.#context = context;
    socket.on("message", (query, source) => void this.#received(query, source));
  }

  /** Drops new queries. Earlier ones are still answered. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  close(): void {
    this.#accepting = false;
    this.#socket.close();
  }

  async #received(query: Buffer, { address, port }: RemoteInfo): Promise<void> {
    if (!this.#accepting || port === 0) return;
    const server = this.#context.serverAt(address);
    const querySource = { kind: "dns", transport: "udp", source: { address, port }, destination: undefined } as const;
    if (server === "refused") {
      // No answer, not even an error: with a forged source address it would go to a host that sent no query.
      const counts = { bytesOut: query.length, bytesIn: 0, durationMs: 0 };
      this.#context.record({
        ...querySource,
        ...counts,
        server: undefined,
        time: new Date(),
        outcome: "refused:unknown-source",
      });
      return;
    }
    const answer = await answerQuery(this.#context, { ...querySource, server }, query);
    // The server may have been removed meanwhile: the next container with its address asked for nothing.
    if (answer === undefined || !this.#isStillAt(address, server)) return;
    this.#send(answer, { address, port }, MAX_RESENDS);
  }

  #isStillAt(address: string, server: ServerIdentity | undefined): boolean {
    const now = this.#context.serverAt(address);
    return now !== "refused" && now?.id === server?.id && now?.name === server?.name;
  }

  #send(answer: Uint8Array, to: Endpoint, resends: number): void {
    try {
      this.#socket.send(answer, to.port, to.address, (error: NodeJS.ErrnoException | null) => {
        if (error && resends > 0 && ICMP_ERRORS.has(error.code ?? "")) this.#send(answer, to, resends - 1);
      });
    } catch {
      // The socket was closed in the meantime.
    }
  }
}
