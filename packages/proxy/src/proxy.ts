import type { Socket } from "node:net";
import { acceptConnection } from "./accept-connection.ts";
import { deferred } from "./deferred.ts";
import { DnsConnection } from "./dns/connection.ts";
import { DnsForwarder } from "./dns/forwarder.ts";
import { ResolverList } from "./dns/resolver-list.ts";
import { DnsUdpListener } from "./dns/udp-listener.ts";
import { completeLimits, type ProxyLimits } from "./limits/limits.ts";
import { type Usage, UsageTable } from "./limits/usage-table.ts";
import { type ListenerPorts, Listeners } from "./listeners.ts";
import type { ConnectionLog, ListenerKind, ServerIdentity } from "./log/connection-log.ts";
import { RefusalRateLimit } from "./log/refusal-rate-limit.ts";
import { limitRepeatedWarnings } from "./log/repeated-warnings.ts";
import { Passthrough } from "./passthrough.ts";
import { HostAddresses } from "./policy/host-addresses.ts";
import { type DestinationKind, Policy, type PolicyOptions } from "./policy/policy.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { RemovedServers } from "./removed-servers.ts";

/** The options of {@link startProxy}. */
export interface ProxyOptions {
  /** The ports to listen on, those that `dp load` redirects to; 0 takes a free port. */
  readonly ports: ListenerPorts;
  /** The server whose container has this address. It is called once for each connection and each query. */
  readonly identify: (address: string) => ServerIdentity | undefined;
  /** Whether a destination address is a container's. Default: whether `identify` finds a server. */
  readonly isContainer?: ((address: string) => boolean) | undefined;
  /** Called when a connection ended, and when a query was answered or refused. */
  readonly log: (entry: ConnectionLog) => void;
  /** Called with warnings for the operator that belong to no connection. */
  readonly warn?: ((message: string) => void) | undefined;
  /** The address to listen on. Default 0.0.0.0. */
  readonly address?: string | undefined;
  /** Where containers may connect to. Default: the internet, see {@link Policy}. */
  readonly policy?: PolicyOptions | undefined;
  readonly limits?: Partial<ProxyLimits> | undefined;
  /** Resolvers to forward DNS queries to, "IP" or "IP:port". Default: the host's. */
  readonly resolvers?: readonly string[] | undefined;
  /** The host's resolver configuration. Default /etc/resolv.conf. */
  readonly resolvConf?: string | undefined;
  /**
   * What to do with sources that belong to no server. Default "refuse": the listeners are open on every interface, and
   * without this check the proxy is an open relay and an open resolver.
   */
  readonly unknownSources?: "refuse" | "serve" | undefined;
  /** Stops the proxy, as `stop` does. */
  readonly signal?: AbortSignal | undefined;
}

/** The current state of the proxy, and totals since it started. */
export interface ProxyStats {
  /** Connections open now, DNS over TCP included. */
  readonly connections: number;
  /** Bytes held in memory for them. */
  readonly bufferedBytes: number;
  /** DNS queries that wait for an answer. */
  readonly queries: number;
  /** Payload bytes from the containers, of all connections and queries that ended. */
  readonly bytesOut: number;
  /** Payload bytes to the containers, of all connections and queries that ended. */
  readonly bytesIn: number;
  /** How many connections and queries ended with each outcome, logged or not. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Refusals left out of the log: over 100 per second for one server, over 10 for all unknown sources. */
  readonly unlogged: number;
  /** What each container uses now. */
  readonly servers: readonly (Usage & { readonly server: ServerIdentity | undefined })[];
}

/** A running proxy. */
export interface Proxy extends AsyncDisposable {
  /** The ports of the listeners. */
  readonly ports: ListenerPorts;
  /**
   * Moves the listeners to other ports. Open connections stay open. When a port cannot be opened, nothing changes.
   *
   * @throws DatapathError `CONFLICT` for a port in use, `FAILED` otherwise
   */
  readonly moveTo: (ports: ListenerPorts) => Promise<void>;
  /** The current state, and totals since the start. */
  readonly stats: () => ProxyStats;
  /**
   * Accepts nothing new, gives open connections `drainMs` to finish, then resets the rest. Resolves when all sockets
   * are closed.
   */
  readonly stop: (options?: { drainMs?: number }) => Promise<void>;
  /** Resolves when the proxy has stopped, by `stop` or by its signal. */
  readonly stopped: Promise<void>;
}

/** How often idle connections and removed servers are looked for. */
const SWEEP_MS = 1000;

type Connection = Passthrough | DnsConnection;

/**
 * Starts the transparent proxy: the listeners that dp_tproxy_container redirects connections and queries to.
 *
 * @throws DatapathError `BAD_USAGE` for options that cannot be parsed, `CONFLICT` for a port in use, `FAILED` for
 * another failure to listen
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const running = new RunningProxy(options);
  try {
    await running.listen();
  } catch (error) {
    await running.stop({ drainMs: 0 });
    throw error;
  }
  return running;
}

class RunningProxy implements Proxy {
  readonly #options: ProxyOptions;
  readonly #context: ProxyContext;
  readonly #usage: UsageTable;
  readonly #limits: ProxyLimits;
  readonly #connections = new Set<Connection>();
  readonly #listeners: Listeners;
  readonly #refusalRateLimit = new RefusalRateLimit();
  readonly #hostAddresses = new HostAddresses();
  readonly #stopped = deferred<void>();
  readonly #outcomes: Record<string, number> = {};
  readonly #onAbort = () => void this.stop();
  readonly #sweep: NodeJS.Timeout;
  #stopping: Promise<void> | undefined;
  #bytesOut = 0;
  #bytesIn = 0;
  #unlogged = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#limits = completeLimits(options.limits);
    this.#usage = new UsageTable(this.#limits);
    const hostAddresses = this.#hostAddresses;
    const { address = "0.0.0.0" } = options;
    this.#listeners = new Listeners({
      address,
      onConnection: (kind, socket) => this.#accept(kind, socket),
      openUdp: (port) => DnsUdpListener.open(this.#context, { address, port }, this.#warn),
      lingerMs: this.#limits.queryTimeoutMs,
      warn: this.#warn,
    });
    const resolvers = new ResolverList({
      given: options.resolvers,
      resolvConf: options.resolvConf,
      exclude: (resolver) =>
        resolver.port === (this.ports.dns || options.ports.dns) && hostAddresses.has(resolver.address),
    });
    this.#context = {
      limits: this.#limits,
      policy: new Policy(options.policy),
      destinationKind: (address) => this.#destinationKind(address),
      usage: this.#usage,
      forwarder: new DnsForwarder(resolvers, this.#limits),
      serverAt: (address) => this.#serverAt(address),
      isSelf: ({ address, port }) => Object.values(this.ports).includes(port) && hostAddresses.has(address),
      record: (entry) => this.#record(entry),
    };
    const removedServers = new RemovedServers(options.identify);
    this.#sweep = setInterval(() => {
      const now = performance.now();
      this.#usage.removeIdle();
      const isRemoved = removedServers.startCheck(now);
      for (const connection of this.#connections) {
        const { source, server } = connection.entry;
        if (isRemoved(source.address, server)) connection.abort("server-removed");
        else connection.checkIdle(now);
      }
    }, SWEEP_MS);
    this.#sweep.unref();
  }

  get ports(): ListenerPorts {
    return this.#listeners.ports;
  }

  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  async listen(): Promise<void> {
    const { ports, signal } = this.#options;
    await this.moveTo(ports);
    if (signal?.aborted === true) void this.stop();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  moveTo(ports: ListenerPorts): Promise<void> {
    return this.#listeners.moveTo(ports);
  }

  stats(): ProxyStats {
    const usage = this.#usage.usage();
    const sum = (of: (one: Usage) => number) => usage.reduce((total, one) => total + of(one), 0);
    return {
      connections: sum((one) => one.connections),
      bufferedBytes: sum((one) => one.bufferedBytes),
      queries: sum((one) => one.queries),
      bytesOut: this.#bytesOut,
      bytesIn: this.#bytesIn,
      outcomes: { ...this.#outcomes },
      unlogged: this.#unlogged,
      servers: usage.map((one) => ({ ...one, server: this.#identify(one.address) })),
    };
  }

  stop({ drainMs = this.#limits.drainMs }: { drainMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    return this.#stopping;
  }

  /** For `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(drainMs: number): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#listeners.stopAccepting();
    const deadline = performance.now() + drainMs;
    const busy = () => this.#connections.size > 0 || this.#usage.usage().length > 0;
    while (busy() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const connection of this.#connections) connection.abort("stopped");
    // Their close events arrive in the next turns of the event loop.
    for (let turn = 0; turn < 50 && this.#connections.size > 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#listeners.close();
    clearInterval(this.#sweep);
    this.#hostAddresses[Symbol.dispose]();
    this.#stopped.resolve();
  }

  #accept(kind: ListenerKind, client: Socket): void {
    if (this.#stopping !== undefined) {
      client.resetAndDestroy();
      return;
    }
    const accepted = acceptConnection(this.#context, kind, client);
    if (accepted === undefined) return;
    const start = kind === "dns" ? DnsConnection.start : Passthrough.start;
    const connection: Connection | undefined = start(this.#context, accepted, (done) => this.#connections.delete(done));
    if (connection !== undefined) this.#connections.add(connection);
  }

  #serverAt(address: string): ServerIdentity | undefined | "refused" {
    const server = this.#identify(address);
    return server === undefined && this.#options.unknownSources !== "serve" ? "refused" : server;
  }

  #identify(address: string): ServerIdentity | undefined {
    try {
      return this.#options.identify(address);
    } catch (error) {
      this.#warn(
        `cannot look up the server of a source address, so connections are refused: ${(error as Error).message}`,
      );
      return undefined;
    }
  }

  #destinationKind(address: string): DestinationKind {
    if (this.#hostAddresses.has(address)) return "host";
    return this.#isContainer(address) ? "container" : "external";
  }

  #isContainer(address: string): boolean {
    const { isContainer } = this.#options;
    if (isContainer === undefined) return this.#identify(address) !== undefined;
    try {
      return isContainer(address);
    } catch (error) {
      // Unknown counts as a container: a failed lookup must not open one server to another.
      this.#warn(`cannot look up whether a destination is a container, so it is refused: ${(error as Error).message}`);
      return true;
    }
  }

  #record(entry: ConnectionLog): void {
    this.#outcomes[entry.outcome] = (this.#outcomes[entry.outcome] ?? 0) + 1;
    this.#bytesOut += entry.bytesOut;
    this.#bytesIn += entry.bytesIn;
    const passed = this.#refusalRateLimit.filter(entry);
    if (passed === undefined) {
      this.#unlogged++;
      return;
    }
    try {
      this.#options.log(passed);
    } catch (error) {
      // A failing log must not end the connections.
      this.#warn(`cannot write the log: ${(error as Error).message}`);
    }
  }

  readonly #warn = limitRepeatedWarnings((message) => this.#options.warn?.(message));
}
