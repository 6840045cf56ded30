import type { Socket } from "node:net";
import { admit } from "./accept-connection.ts";
import { deferred } from "./deferred.ts";
import { DnsConnection } from "./dns/connection.ts";
import { DnsForwarder } from "./dns/forwarder.ts";
import { ResolverList } from "./dns/resolver-list.ts";
import { DnsUdpListener } from "./dns/udp-listener.ts";
import { Accounts, type Usage } from "./limits/container-usage.ts";
import { completeLimits, type ProxyLimits } from "./limits/limits.ts";
import { DEFAULT_PORTS, type ListenerPorts, Listeners } from "./listeners.ts";
import type { ConnectionLog, ListenerKind, ServerIdentity } from "./log/connection-log.ts";
import { LogGate } from "./log/refusal-rate-limit.ts";
import { quietly } from "./log/repeated-warnings.ts";
import { Passthrough } from "./passthrough.ts";
import { OwnAddresses } from "./policy/host-addresses.ts";
import { Policy, type PolicyOptions } from "./policy/policy.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { Departures } from "./removed-servers.ts";

/** What {@link startProxy} is told. */
export interface ProxyOptions {
  /** Which server has a container address; asked once for each connection and query. */
  readonly identify: (address: string) => ServerIdentity | undefined;
  /** Whether an address is a container's, to be asked for destinations. Default: what `identify` finds somebody at. */
  readonly isContainer?: ((address: string) => boolean) | undefined;
  /** Called for each connection that ended and each query that was answered. */
  readonly log: (entry: ConnectionLog) => void;
  /** Something an operator should know that belongs to no connection. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Where to listen. Default 0.0.0.0. */
  readonly address?: string | undefined;
  /** Where connections to port 80 arrive. Default 9080; 0 takes a free port. */
  readonly httpPort?: number | undefined;
  /** Where DNS arrives, TCP and UDP. Default 9053. */
  readonly dnsPort?: number | undefined;
  /** Where all other TCP connections arrive. Default 9111. */
  readonly tcpPort?: number | undefined;
  /** Where containers may connect to. Default: the internet, see `Policy`. */
  readonly policy?: PolicyOptions | undefined;
  readonly limits?: Partial<ProxyLimits> | undefined;
  /** Resolvers to forward DNS queries to, "IP" or "IP:port". Default: the host's. */
  readonly resolvers?: readonly string[] | undefined;
  /** The host's resolver configuration. Default /etc/resolv.conf. */
  readonly resolvConf?: string | undefined;
  /**
   * What to do with sources no server has. Default "refuse": the ports are open on every interface, and a proxy that
   * serves strangers is an open relay and an open resolver.
   */
  readonly unknownSources?: "refuse" | "serve" | undefined;
  /** Stops the proxy, as `stop` does. */
  readonly signal?: AbortSignal | undefined;
}

/** What the proxy is doing, and what it has done. */
export interface ProxyStats {
  /** Connections open now, DNS over TCP included. */
  readonly connections: number;
  /** Bytes held in memory for them. */
  readonly bufferedBytes: number;
  /** DNS queries waiting for an answer. */
  readonly queries: number;
  /** Payload bytes of everything that ended, from and to the containers. */
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** How many connections and queries ended in each way, those too that were not logged. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Lines left out of the log: more refusals than a hundred in a second for one server, than ten for strangers. */
  readonly unlogged: number;
  /** What each container uses now. */
  readonly servers: readonly (Usage & { readonly server: ServerIdentity | undefined })[];
}

/** A proxy that runs. */
export interface Proxy extends AsyncDisposable {
  /** The ports listened on. */
  readonly ports: ListenerPorts;
  /**
   * Listens on these ports from now on; what is open stays open. Throws `DatapathError` CONFLICT for a port in use, and
   * listens where it did then.
   */
  readonly moveTo: (ports: ListenerPorts) => Promise<void>;
  /** What it is doing now. */
  readonly stats: () => ProxyStats;
  /** Takes nothing new, lets what is there finish for `drainMs`, then resets the rest. Resolves when all is closed. */
  readonly stop: (options?: { drainMs?: number }) => Promise<void>;
  /** Resolves once the proxy has stopped, whoever stopped it. */
  readonly stopped: Promise<void>;
}

/** How often connections are looked for that are idle, or whose server has gone. */
const SWEEP_MS = 1000;

type Session = Passthrough | DnsConnection;

/**
 * Starts the transparent proxy: three listeners for what dp_tproxy_container redirects. Throws `DatapathError`:
 * BAD_USAGE for options that cannot be read, CONFLICT for a port in use.
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
  readonly #accounts: Accounts;
  readonly #limits: ProxyLimits;
  readonly #sessions = new Set<Session>();
  readonly #listeners: Listeners;
  readonly #gate = new LogGate();
  readonly #own = new OwnAddresses();
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
    this.#accounts = new Accounts(this.#limits);
    const own = this.#own;
    const { address = "0.0.0.0", dnsPort = DEFAULT_PORTS.dns } = options;
    this.#listeners = new Listeners({
      address,
      onConnection: (kind, socket) => this.#accept(kind, socket),
      openDatagrams: (port) => DnsUdpListener.open(this.#context, { address, port }, this.#warn),
      lingerMs: this.#limits.queryTimeoutMs,
      warn: this.#warn,
    });
    const resolvers = new ResolverList({
      given: options.resolvers,
      resolvConf: options.resolvConf,
      exclude: (resolver) => resolver.port === (this.ports.dns || dnsPort) && own.has(resolver.address),
    });
    this.#context = {
      limits: this.#limits,
      policy: new Policy(options.policy),
      whose: (address) => (own.has(address) ? "host" : this.#isContainer(address) ? "server" : undefined),
      accounts: this.#accounts,
      forwarder: new DnsForwarder(resolvers, this.#limits),
      admit: (address) => this.#admit(address),
      isSelf: (destination) => Object.values(this.ports).includes(destination.port) && own.has(destination.address),
      record: (entry) => this.#record(entry),
    };
    const departures = new Departures(options.identify);
    this.#sweep = setInterval(() => {
      const now = performance.now();
      this.#accounts.forget();
      const gone = departures.look(now);
      for (const session of this.#sessions) {
        const { source, server } = session.entry;
        if (gone(source.address, server)) session.abort("server-removed");
        else session.checkIdle(now);
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
    const { httpPort, dnsPort, tcpPort, signal } = this.#options;
    await this.moveTo({
      http: httpPort ?? DEFAULT_PORTS.http,
      dns: dnsPort ?? DEFAULT_PORTS.dns,
      tcp: tcpPort ?? DEFAULT_PORTS.tcp,
    });
    if (signal?.aborted === true) void this.stop();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  moveTo(ports: ListenerPorts): Promise<void> {
    return this.#listeners.moveTo(ports);
  }

  stats(): ProxyStats {
    const usage = this.#accounts.usage();
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
    const busy = () => this.#sessions.size > 0 || this.#accounts.usage().length > 0;
    while (busy() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const session of this.#sessions) session.abort("stopped");
    // Their close events come with the next turns of the loop.
    for (let turn = 0; turn < 50 && this.#sessions.size > 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#listeners.close();
    clearInterval(this.#sweep);
    this.#own[Symbol.dispose]();
    this.#stopped.resolve();
  }

  #accept(kind: ListenerKind, client: Socket): void {
    if (this.#stopping !== undefined) {
      client.resetAndDestroy();
      return;
    }
    const admitted = admit(this.#context, kind, client);
    if (admitted === undefined) return;
    const start = kind === "dns" ? DnsConnection.start : Passthrough.start;
    const session: Session | undefined = start(this.#context, admitted, (done) => this.#sessions.delete(done));
    if (session !== undefined) this.#sessions.add(session);
  }

  #admit(address: string): ServerIdentity | undefined | "refused" {
    const server = this.#identify(address);
    return server === undefined && this.#options.unknownSources !== "serve" ? "refused" : server;
  }

  #identify(address: string): ServerIdentity | undefined {
    try {
      return this.#options.identify(address);
    } catch (error) {
      this.#warn(`cannot find out which server is at an address, so it is refused: ${(error as Error).message}`);
      return undefined;
    }
  }

  #isContainer(address: string): boolean {
    const { isContainer } = this.#options;
    if (isContainer === undefined) return this.#identify(address) !== undefined;
    try {
      return isContainer(address);
    } catch (error) {
      // Not knowing must not open one server to another.
      this.#warn(`cannot find out whether an address is a container's, so it is refused: ${(error as Error).message}`);
      return true;
    }
  }

  #record(entry: ConnectionLog): void {
    this.#outcomes[entry.outcome] = (this.#outcomes[entry.outcome] ?? 0) + 1;
    this.#bytesOut += entry.bytesOut;
    this.#bytesIn += entry.bytesIn;
    const passed = this.#gate.pass(entry);
    if (passed === undefined) {
      this.#unlogged++;
      return;
    }
    try {
      this.#options.log(passed);
    } catch (error) {
      // A log that fails must not take the connections with it.
      this.#warn(`cannot log: ${(error as Error).message}`);
    }
  }

  readonly #warn = quietly((message) => this.#options.warn?.(message));
}
