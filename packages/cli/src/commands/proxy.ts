import { setTimeout as sleep } from "node:timers/promises";
import type { ServerDirectory } from "@dp/host";
import type { ConnectionLog, ListenerPorts, ProxyLimits, ProxyStats } from "@dp/proxy";
import { Option } from "clipanion";
import { formatBytes } from "../amount.ts";
import { isDatapathError } from "../exit-code.ts";
import { warnOfFewDescriptors } from "../few-descriptors.ts";
import { followPorts, portsText } from "../follow-ports.ts";
import { hostLibrary, proxyLibrary } from "../host-library.ts";
import type { LineWriter } from "../line-writer.ts";
import { parseNumber } from "../option-value.ts";
import { ServiceCommand } from "../service-command.ts";
import { UsageError } from "../usage-error.ts";

const OP = "proxy";

/** How often it is looked whether something is loaded. */
const WAIT_MS = 1000;

const MEBIBYTE = 2 ** 20;

/** The last line of the log. */
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

export class ProxyCommand extends ServiceCommand {
  static override paths = [["proxy"]];
  static override usage = ServiceCommand.Usage({
    category: "Egress",
    description: "run the transparent proxy: what containers open goes through it",
    details:
      "Runs until SIGINT or SIGTERM, then lets open connections finish for a while; the second signal ends it at once. " +
      "It listens where dp load redirects to, also when that changes, passes TCP on to where it was going, forwards " +
      "DNS, and prints a line for each connection when it ends. Private, link-local, metadata and other addresses that " +
      "are not the internet's are refused unless a rule allows them, the host's own and those of containers unless a " +
      "rule for that very address does. The most specific rule decides: the longest prefix, then the fewest ports, then " +
      "--deny before --allow. RULE is ADDRESS[/PREFIX][:PORT[-PORT]]. Needs root, or CAP_DAC_OVERRIDE for what is pinned.",
    examples: [
      ["With the resolvers of the host", "dp proxy"],
      [
        "With others, a database in the private network, and no mail",
        "dp proxy --dns 9.9.9.9 --allow 10.20.0.5:3306 --deny 0.0.0.0/0:25",
      ],
      ["As a service: before dp load or after it, one JSON document on each line", "dp proxy --until-loaded --json"],
    ],
  });
  static override metavars = {
    "--dns": "IP[:PORT]",
    "--allow": "RULE",
    "--deny": "RULE",
    "--max-connections": "N",
    "--max-queries": "N",
    "--max-rate": "N",
    "--max-buffer": "MIB",
    "--connect-timeout": "SECONDS",
    "--idle-timeout": "SECONDS",
    "--drain": "SECONDS",
  };

  dns = Option.Array("--dns", {
    description: "a resolver; may be repeated (default: the host's, in /etc/resolv.conf)",
  });
  allow = Option.Array("--allow", { description: "where containers may connect to; may be repeated" });
  deny = Option.Array("--deny", { description: "where they may not; may be repeated" });
  untilLoaded = Option.Boolean("--until-loaded", false, { description: "when nothing is loaded, wait for dp load" });
  maxConnections = Option.String("--max-connections", { description: "open at once, per server (default 512)" });
  maxQueries = Option.String("--max-queries", { description: "DNS queries at once, per server (default 128)" });
  maxRate = Option.String("--max-rate", {
    description: "new connections a second, and queries, per server (default 100); ten times that at once",
  });
  maxBuffer = Option.String("--max-buffer", { description: "what is on its way, per server (default 32)" });
  connectTimeout = Option.String("--connect-timeout", { description: "for a destination to answer (default 10)" });
  idleTimeout = Option.String("--idle-timeout", { description: "closes what carries nothing so long (default 3600)" });
  drain = Option.String("--drain", { description: "for open connections to finish at the end (default 5)" });

  protected override async serve(log: LineWriter): Promise<void> {
    const warn = (message: string) => this.warn(message);
    const limits = this.#limits();
    const { startProxy, formatLogLine, toFields, Policy, parseResolver } = await proxyLibrary();
    const policy = { allow: this.allow, deny: this.deny };
    // What is wrong with the command line is said first, loaded or not.
    new Policy(policy);
    for (const resolver of this.dns ?? []) parseResolver(resolver);

    const interruption = this.context.interruption();
    using servers = await this.#openServers(interruption, warn);
    if (servers === undefined) return;
    await warnOfFewDescriptors(limits, warn);

    const format = this.json
      ? (entry: ConnectionLog) => JSON.stringify({ event: "connection", ...toFields(entry) })
      : formatLogLine;
    const { httpPort, dnsPort, tcpPort } = servers.proxyPorts();
    const proxy = await startProxy({
      identify: (address) => servers.find(address),
      isContainer: (address) => servers.isContainer(address),
      log: (entry) => log.write(format(entry)),
      warn,
      httpPort,
      dnsPort,
      tcpPort,
      policy,
      resolvers: this.dns,
      limits,
      signal: interruption,
    });
    const sayPorts = () => log.write(this.#listening(proxy.ports));
    sayPorts();
    const stopFollowing = followPorts(servers, proxy, sayPorts, warn);
    await proxy.stopped;
    stopFollowing();
    const { outcomes, bytesOut, bytesIn, unlogged } = proxy.stats();
    const stopped = { event: "stopped", time: this.time(), outcomes, bytesOut, bytesIn, unlogged } as const;
    log.write(this.json ? JSON.stringify(stopped) : presentStopped(stopped));
  }

  /** Undefined when it was interrupted while it waited. */
  async #openServers(interruption: AbortSignal, warn: (message: string) => void): Promise<ServerDirectory | undefined> {
    const { ServerDirectory } = await hostLibrary();
    const open = () => {
      const servers = ServerDirectory.open(this.hostOptions(), OP);
      try {
        servers.requireOwnCgroup();
        servers.proxyPorts();
        return servers;
      } catch (error) {
        servers[Symbol.dispose]();
        throw error;
      }
    };
    for (let tries = 0; !interruption.aborted; tries++) {
      try {
        return open();
      } catch (error) {
        if (!this.untilLoaded || !isDatapathError(error) || error.code !== "NOT_LOADED") throw error;
        if (tries === 0) warn("nothing is loaded: waiting for dp load");
      }
      await sleep(WAIT_MS, undefined, { signal: interruption }).catch(() => undefined);
    }
    return undefined;
  }

  #limits(): Partial<ProxyLimits> {
    return {
      ...limit("connectionsPerServer", this.maxConnections, "--max-connections"),
      ...limit("queriesPerServer", this.maxQueries, "--max-queries"),
      ...limit("ratePerServer", this.maxRate, "--max-rate"),
      ...limit("bufferedBytesPerServer", this.maxBuffer, "--max-buffer", { factor: MEBIBYTE }),
      ...limit("connectTimeoutMs", this.connectTimeout, "--connect-timeout", { factor: 1000 }),
      ...limit("idleTimeoutMs", this.idleTimeout, "--idle-timeout", { factor: 1000 }),
      ...limit("drainMs", this.drain, "--drain", { factor: 1000, least: 0 }),
    };
  }

  #listening({ http, dns, tcp }: ListenerPorts): string {
    if (this.json) return JSON.stringify({ event: "listening", time: this.time(), http, dns, tcp });
    return `${this.time()} listening: ${portsText({ http, dns, tcp })}`;
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
