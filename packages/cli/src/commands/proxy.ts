import { isIPv4 } from "node:net";
import type { ProxyPorts, ServerDirectory } from "@dp/host";
import type { ConnectionLog, ProxyLimits, ProxyStats } from "@dp/proxy";
import { Option } from "clipanion";
import { formatBytes } from "../amount.ts";
import { DpCommand } from "../dp-command.ts";
import { hostLibrary, proxyLibrary } from "../host-library.ts";
import { LineWriter } from "../line-writer.ts";
import { parseNumber } from "../option-value.ts";
import { UsageError } from "../usage-error.ts";

const OP = "proxy";

/** How often it is looked whether `dp load` has moved the listeners. */
const CHECK_MS = 5000;

/** How long, at the end, the reader of the log may take to read the last lines. */
const LOG_PATIENCE_MS = 1000;

const MEBIBYTE = 2 ** 20;

/** What is printed at the end. */
interface Stopped {
  event: "stopped";
  time: string;
  /** Connections and queries that ended, by how they ended. */
  outcomes: ProxyStats["outcomes"];
  bytesOut: number;
  bytesIn: number;
  /** Refused strangers that were not logged. */
  unlogged: number;
}

export class ProxyCommand extends DpCommand {
  static override paths = [["proxy"]];
  static override usage = DpCommand.Usage({
    category: "Egress",
    description: "run the transparent proxy: what containers open goes through it",
    details:
      "Runs until SIGINT or SIGTERM, then lets open connections finish for a while; the second signal ends it at once. " +
      "It listens where dp load redirects to, passes TCP on to where it was going, forwards DNS, and prints a line for " +
      "each connection when it ends. Private, link-local and metadata addresses and the host's own are refused, unless " +
      "allowed: the most specific rule decides. RULE is ADDRESS[/PREFIX][:PORT[-PORT]].",
    examples: [
      ["With the resolvers of the host", "dp proxy"],
      [
        "With others, a database in the private network, and no mail",
        "dp proxy --dns 9.9.9.9 --allow 10.20.0.5:3306 --deny 0.0.0.0/0:25",
      ],
      ["For machines: one JSON document on each line", "dp proxy --json"],
    ],
  });
  static override metavars = {
    "--dns": "IP[:PORT]",
    "--allow": "RULE",
    "--deny": "RULE",
    "--address": "IP",
    "--max-connections": "N",
    "--max-queries": "N",
    "--max-buffer": "MIB",
    "--connect-timeout": "SECONDS",
    "--idle-timeout": "SECONDS",
    "--drain": "SECONDS",
  };

  override json = Option.Boolean("--json", false, {
    description: "one JSON document on each line of standard output, nothing else",
  });
  dns = Option.Array("--dns", {
    description: "a resolver; may be repeated (default: the host's, in /etc/resolv.conf)",
  });
  allow = Option.Array("--allow", { description: "where containers may connect to; may be repeated" });
  deny = Option.Array("--deny", { description: "where they may not; may be repeated" });
  address = Option.String("--address", { description: "listen on this address only (default 0.0.0.0)" });
  maxConnections = Option.String("--max-connections", { description: "open at once, per server (default 512)" });
  maxQueries = Option.String("--max-queries", { description: "DNS queries at once, per server (default 128)" });
  maxBuffer = Option.String("--max-buffer", { description: "memory for what is on its way, per server (default 32)" });
  connectTimeout = Option.String("--connect-timeout", { description: "for a destination to answer (default 10)" });
  idleTimeout = Option.String("--idle-timeout", { description: "closes what carries nothing so long (default 3600)" });
  drain = Option.String("--drain", { description: "for open connections to finish at the end (default 5)" });

  override async perform(): Promise<void> {
    const options = this.hostOptions();
    const warn = options.warn ?? (() => undefined);
    const limits = this.#limits();
    const { ServerDirectory } = await hostLibrary();
    const { startProxy, formatLogLine, toFields, Policy, parseResolver } = await proxyLibrary();
    const policy = { allow: this.allow, deny: this.deny };
    // What is wrong with the command line is said first, loaded or not.
    new Policy(policy);
    for (const resolver of this.dns ?? []) parseResolver(resolver);

    using servers = ServerDirectory.open(options, OP);
    const ports = servers.proxyPorts();
    servers.requireOwnCgroup();
    const { raiseDescriptorLimit } = await import("@dp/sys");
    raiseDescriptorLimit();

    const lines = new LineWriter(this.context.log, warn);
    const format = this.json
      ? (entry: ConnectionLog) => JSON.stringify({ event: "connection", ...toFields(entry) })
      : formatLogLine;
    const proxy = await startProxy({
      identify: (address) => servers.find(address),
      isContainer: (address) => servers.isContainer(address),
      log: (entry) => lines.write(format(entry)),
      warn,
      address: this.address,
      ...ports,
      policy,
      resolvers: this.dns,
      limits,
      signal: this.context.interruption(),
    });
    lines.write(this.#listening(proxy.ports));
    const stopWatching = watchPorts(servers, ports, warn);
    await proxy.stopped;
    stopWatching();
    const { outcomes, bytesOut, bytesIn, unlogged } = proxy.stats();
    const stopped = { event: "stopped", time: this.#time(), outcomes, bytesOut, bytesIn, unlogged } as const;
    lines.write(this.json ? JSON.stringify(stopped) : presentStopped(stopped));
    await lines.end(LOG_PATIENCE_MS);
  }

  #limits(): Partial<ProxyLimits> {
    const { address } = this;
    if (address !== undefined && !isIPv4(address)) {
      throw new UsageError(`--address is ${JSON.stringify(address)}: expected an IPv4 address`);
    }
    return {
      ...limit("connectionsPerServer", this.maxConnections, "--max-connections"),
      ...limit("queriesPerServer", this.maxQueries, "--max-queries"),
      ...limit("bufferedBytesPerServer", this.maxBuffer, "--max-buffer", { factor: MEBIBYTE }),
      ...limit("connectTimeoutMs", this.connectTimeout, "--connect-timeout", { factor: 1000 }),
      ...limit("idleTimeoutMs", this.idleTimeout, "--idle-timeout", { factor: 1000 }),
      ...limit("drainMs", this.drain, "--drain", { factor: 1000, least: 0 }),
    };
  }

  #listening({ http, dns, tcp }: { http: number; dns: number; tcp: number }): string {
    const address = this.address ?? "0.0.0.0";
    if (this.json) return JSON.stringify({ event: "listening", time: this.#time(), address, http, dns, tcp });
    return `${this.#time()} listening on ${address}: HTTP ${http}, DNS ${dns}, TCP ${tcp}`;
  }

  #time(): string {
    return this.context.now().toISOString();
  }

  /** All there is to say was a line of the log. */
  override present(): string {
    return "";
  }

  protected override document(): string {
    return "";
  }
}

function presentStopped({ time, outcomes, bytesOut, bytesIn }: Stopped): string {
  const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  return `${time} stopped: ${ended.toLocaleString("en")} in all, ${formatBytes(bytesOut)} out, ${formatBytes(bytesIn)} in`;
}

/** More makes no sense, and a timer no longer fits. */
const MOST = 1_000_000;

function limit(
  name: keyof ProxyLimits,
  text: string | undefined,
  option: string,
  { factor = 1, least = 1 } = {},
): Partial<ProxyLimits> {
  if (text === undefined) return {};
  const number = parseNumber(text, option);
  if (number >= least && number <= MOST) return { [name]: number * factor };
  throw new UsageError(`${option} is ${number}: expected a whole number from ${least} to ${MOST}`);
}

/** Warns when the containers' connections go to other ports than those that are listened on. */
function watchPorts(servers: ServerDirectory, ports: ProxyPorts, warn: (message: string) => void): () => void {
  let current = portsText(ports);
  const timer = setInterval(() => {
    let now: string;
    try {
      now = portsText(servers.proxyPorts());
    } catch {
      // Unloaded: nothing is redirected anywhere.
      return;
    }
    if (now === current) return;
    current = now;
    const wrong = now !== portsText(ports);
    warn(`dp load redirects to ${now} now${wrong ? ": start dp proxy anew to listen there" : " again"}`);
  }, CHECK_MS);
  return () => clearInterval(timer);
}

function portsText({ httpPort, dnsPort, tcpPort }: ProxyPorts): string {
  return `HTTP ${httpPort}, DNS ${dnsPort}, TCP ${tcpPort}`;
}
