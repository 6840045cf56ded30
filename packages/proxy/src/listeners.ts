import type { Socket } from "node:net";
import type { DnsUdpListener } from "./dns/udp-listener.ts";
import type { ListenerKind } from "./log/connection-log.ts";
import { listenTcp, type TcpListener } from "./tcp-listener.ts";

/** Which port each listener has. */
export type ListenerPorts = Readonly<Record<ListenerKind, number>>;

export const DEFAULT_PORTS: ListenerPorts = { http: 9080, dns: 9053, tcp: 9111 };

const KINDS = ["http", "dns", "tcp"] as const;

export interface ListenersOptions {
  readonly address: string;
  readonly onConnection: (kind: ListenerKind, socket: Socket) => void;
  readonly openDatagrams: (port: number) => Promise<DnsUdpListener>;
  /** How long a datagram socket that was given up stays: answers on their way leave from where they were asked. */
  readonly lingerMs: number;
  readonly warn: (message: string) => void;
}

/** The sockets the proxy listens on. They can move to other ports while it runs. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #tcp = new Map<number, TcpListener>();
  readonly #udp = new Map<number, DnsUdpListener>();
  readonly #lingering = new Map<number, NodeJS.Timeout>();
  #ports: ListenerPorts = { http: 0, dns: 0, tcp: 0 };
  #stopped = false;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Zeros before the first move. */
  get ports(): ListenerPorts {
    return this.#ports;
  }

  /**
   * Listens on these ports (0: any that is free) and no others. Throws `DatapathError` when one cannot be had, and then
   * listens where it did.
   */
  async moveTo(wanted: ListenerPorts): Promise<void> {
    const opened: TcpListener[] = [];
    try {
      const ports = await this.#openTcp(wanted, opened);
      if (!this.#udp.has(ports.dns)) this.#udp.set(ports.dns, await this.#options.openDatagrams(ports.dns));
      for (const listener of opened) this.#tcp.set(listener.port, listener);
      this.#ports = ports;
    } catch (error) {
      for (const listener of opened) listener.close();
      throw error;
    }
    if (this.#stopped) this.close();
    else this.#leave();
  }

  /** Takes no connections and no queries any more. Answers can still be sent. */
  stopAccepting(): void {
    this.#stopped = true;
    for (const listener of this.#tcp.values()) listener.close();
    this.#tcp.clear();
    for (const udp of this.#udp.values()) udp.stopAccepting();
  }

  close(): void {
    this.stopAccepting();
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    for (const udp of this.#udp.values()) udp.close();
    this.#udp.clear();
  }

  /** Opens what is not open yet; the ports it came to. One that two kinds exchange stays open. */
  async #openTcp(wanted: ListenerPorts, opened: TcpListener[]): Promise<ListenerPorts> {
    const { address, warn } = this.#options;
    const ports = { ...wanted };
    for (const kind of KINDS) {
      if (this.#tcp.has(ports[kind])) continue;
      const listener: TcpListener = await listenTcp(
        { address, port: ports[kind] },
        (socket) => this.#accept(listener.port, kind, socket),
        warn,
      );
      opened.push(listener);
      ports[kind] = listener.port;
    }
    return ports;
  }

  /** `openedFor`: what it is until the move that opened it is done. */
  #accept(port: number, openedFor: ListenerKind, socket: Socket): void {
    const kind = KINDS.find((each) => this.#ports[each] === port) ?? openedFor;
    this.#options.onConnection(kind, socket);
  }

  /** Gives up what is open and no longer wanted. */
  #leave(): void {
    for (const [port, listener] of this.#tcp) {
      if (KINDS.some((kind) => this.#ports[kind] === port)) continue;
      listener.close();
      this.#tcp.delete(port);
    }
    for (const [port, udp] of this.#udp) {
      clearTimeout(this.#lingering.get(port));
      if (port === this.#ports.dns) continue;
      const close = () => {
        udp.close();
        this.#udp.delete(port);
      };
      this.#lingering.set(port, setTimeout(close, this.#options.lingerMs).unref());
    }
  }
}
