import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { answerQuery } from "./dns-query.ts";
import type { Endpoint } from "./ipv4.ts";
import { listenError } from "./listen-error.ts";
import type { ProxyContext } from "./proxy-context.ts";

/** Enough for a burst of queries while the loop is busy; the kernel's default is about 200 kB. */
const RECEIVE_BUFFER = 1024 * 1024;

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
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("error", (error) => reject(listenError(endpoint, "udp", error)));
    socket.bind({ address: endpoint.address, port: endpoint.port, exclusive: true }, resolve);
    try {
      await promise;
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.removeAllListeners("error");
    socket.on("error", (error) => warn(`DNS listener: ${error.message}`));
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
    try {
      // The container may be gone by now; it would have to ask again anyway.
      this.#socket.send(answer, port, address, () => {});
    } catch {
      // Closed in the meantime.
    }
  }
}
