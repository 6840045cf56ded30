import type { Socket } from "node:net";
import type { DnsUdpListener } from "./dns/udp-listener.ts";
import type { ListenerKind } from "./log/connection-log.ts";
import { listenTcp, type TcpListener } from "./tcp-listener.ts";

/** The port of each listener: `tcp` for TCP, `http` for connections to port 80, `dns` for DNS over TCP and UDP. */
export type ListenerPorts = Readonly<Record<ListenerKind, number>>;

const KINDS = ["http", "dns", "tcp"] as const;

export interface ListenersOptions {
  readonly address: string;
  readonly onConnection: (kind: ListenerKind, socket: Socket) => void;
  readonly openUdp: (port: number) => Promise<DnsUdpListener>;
  /** How long an old UDP socket stays open after a move: pending answers must leave from the port that was asked. */
  readonly lingerMs: number;
  readonly warn: (message: string) => void;
}

/** The sockets the proxy listens on. They can move to other ports while the proxy runs. */
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

  /** The current ports; zeros before the first `moveTo`. */
  get ports(): ListenerPorts {
    return this.#ports;
  }

  /**
   * Listens on these ports and no others; 0 takes any free port. When a port cannot be opened, nothing changes.
   *
   * @throws DatapathError `CONFLICT` for a port in use, `FAILED` otherwise
   */
  async moveTo(wanted: ListenerPorts): Promise<void> {
    const opened: TcpListener[] = [];
    try {
      const ports = await this.#openTcp(wanted, opened);
      if (!this.#udp.has(ports.dns)) this.#udp.set(ports.dns, await this.#options.openUdp(ports.dns));
      for (const listener of opened) this.#tcp.set(listener.port, listener);
      this.#ports = ports;
    } catch (error) {
      for (const listener of opened) listener.close();
      throw error;
    }
    if (this.#stopped) this.close();
    else this.#closeUnused();
  }

  /** Accepts no more connections and queries. Answers can still be sent. */
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

  /** Opens the ports that are not open yet, and returns all ports. A port that only changes its kind stays open. */
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

  /** `openedFor`: the kind of a port whose move is not finished. */
  #accept(port: number, openedFor: ListenerKind, socket: Socket): void {
    const kind = KINDS.find((each) => this.#ports[each] === port) ?? openedFor;
    this.#options.onConnection(kind, socket);
  }

  /** Closes the sockets of earlier ports. */
  #closeUnused(): void {
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
