import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { deferred } from "../deferred.ts";
import type { Endpoint } from "../ipv4.ts";
import { listenError } from "../listen-error.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { answerQuery } from "./answer-query.ts";

/** Enough for a burst of queries while the loop is busy; the kernel's default is about 200 kB. */
const RECEIVE_BUFFER = 1024 * 1024;

/**
 * What ICMP says about an answer sent earlier, to a container that no longer waited for it. Bun has the kernel report
 * such errors (IP_RECVERR), and the kernel does it by failing the next call on the socket, whoever that one is for. So
 * a send that fails this way has sent nothing and is tried again: otherwise one container could lose another's answers.
 */
const UNDELIVERED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EACCES",
]);
/** More errors than these are not pending at a time, unless somebody sends them on purpose. */
const RESENDS = 16;

/**
 * The DNS listener's datagrams. It is a wildcard socket: an answer leaves from the address the kernel's route to the
 * container names as source, which is its host peer's address, where the query was sent to.
 */
export class DnsUdpListener {
  readonly #socket: Socket;
  readonly #context: ProxyContext;
  #accepting = true;

  /** Throws `DatapathError` when the port cannot be had. */
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
      if (!UNDELIVERED.has(error.code ?? "")) warn(`DNS listener: ${error.message}`);
    });
    socket.setRecvBufferSize(RECEIVE_BUFFER);
    return new DnsUdpListener(socket, context);
  }

  private constructor(socket: Socket, context: ProxyContext) {
    this.#socket = socket;
    this.#context = context;
    socket.on("message", (query, source) => void this.#received(query, source));
  }

  /** Drops new queries; those on their way are still answered. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  close(): void {
    this.#accepting = false;
    this.#socket.close();
  }

  async #received(query: Buffer, { address, port }: RemoteInfo): Promise<void> {
    if (!this.#accepting || port === 0) return;
    const server = this.#context.admit(address);
    const origin = { kind: "dns", transport: "udp", source: { address, port }, destination: undefined } as const;
    if (server === "refused") {
      // No answer, not even an error: to a forged source that would be an attack on whoever has the address.
      const counts = { bytesOut: query.length, bytesIn: 0, durationMs: 0 };
      this.#context.record({
        ...origin,
        ...counts,
        server: undefined,
        time: new Date(),
        outcome: "refused:unknown-source",
      });
      return;
    }
    const answer = await answerQuery(this.#context, { ...origin, server }, query);
    if (answer === undefined) return;
    this.#send(answer, { address, port }, RESENDS);
  }

  #send(answer: Uint8Array, to: Endpoint, resends: number): void {
    try {
      this.#socket.send(answer, to.port, to.address, (error: NodeJS.ErrnoException | null) => {
        if (error && resends > 0 && UNDELIVERED.has(error.code ?? "")) this.#send(answer, to, resends - 1);
      });
    } catch {
      // Closed in the meantime.
    }
  }
}
