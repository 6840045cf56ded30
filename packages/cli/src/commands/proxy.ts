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

/** How often to check whether the datapath is loaded. */
const WAIT_MS = 1000;

const MEBIBYTE = 2 ** 20;

/** The last line of the log. */
interface Stopped {
  event: "stopped";
  time: string;
  /** How many connections and queries ended with each outcome. */
  outcomes: ProxyStats["outcomes"];
  bytesOut: number;
  bytesIn: number;
  /** Refusals left out of the log. */
  unlogged: number;
}

export class ProxyCommand extends ServiceCommand {
  static override paths = [["proxy"]];
  static override usage = ServiceCommand.Usage({
    category: "Egress",
    description: "run the transparent proxy for the connections and DNS queries of containers",
    details:
      "Runs until SIGINT or SIGTERM, then gives open connections some time to finish; a second signal ends it at " +
      "once. It listens on the ports that dp load redirects to, and follows a change of them. It passes TCP on to " +
      "its original destination, forwards DNS, and prints a line for each connection when it ends. Private, " +
      "link-local, metadata and other reserved addresses are refused unless a rule allows them; addresses of the " +
      "host and of containers are refused unless a rule for exactly that address allows them. The most specific rule " +
      "decides: the longest prefix, then the fewest ports, then --deny before --allow. RULE is " +
      "ADDRESS[/PREFIX][:PORT[-PORT]]. Needs root, or CAP_DAC_OVERRIDE to read the pinned maps.",
    examples: [
      ["Forward DNS to the resolvers of the host", "dp proxy"],
      [
        "Use another resolver, allow a private database, deny mail",
        "dp proxy --dns 9.9.9.9 --allow 10.20.0.5:3306 --deny 0.0.0.0/0:25",
      ],
      ["Run as a service, started before or after dp load, with JSON output", "dp proxy --until-loaded --json"],
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
    description: "a resolver; may be repeated (default: those in /etc/resolv.conf)",
  });
  allow = Option.Array("--allow", { description: "a destination that containers may connect to; may be repeated" });
  deny = Option.Array("--deny", { description: "a destination that they may not connect to; may be repeated" });
  untilLoaded = Option.Boolean("--until-loaded", false, {
    description: "wait for dp load when the datapath is not loaded",
  });
  maxConnections = Option.String("--max-connections", { description: "open connections of one server (default 512)" });
  maxQueries = Option.String("--max-queries", { description: "pending DNS queries of one server (default 128)" });
  maxRate = Option.String("--max-rate", {
    description: "new connections per second of one server, and queries (default 100)",
  });
  maxBuffer = Option.String("--max-buffer", { description: "buffered bytes of one server in MiB (default 32)" });
  connectTimeout = Option.String("--connect-timeout", { description: "time for a destination to answer (default 10)" });
  idleTimeout = Option.String("--idle-timeout", {
    description: "close connections without traffic after this time (default 3600)",
  });
  drain = Option.String("--drain", { description: "time for open connections to finish at the end (default 5)" });

  protected override async serve(log: LineWriter): Promise<void> {
    const warn = (message: string) => this.warn(message);
    const limits = this.#limits();
    const { startProxy, formatLogLine, toFields, Policy, parseResolver } = await proxyLibrary();
    const policy = { allow: this.allow, deny: this.deny };
    // Errors of the command line are reported first, whether the datapath is loaded or not.
    new Policy(policy);
    for (const resolver of this.dns ?? []) parseResolver(resolver);

    using listening = this.context.interruption();
    const interruption = listening.signal;
    using servers = await this.#openServers(interruption, warn);
    if (servers === undefined) return;
    await warnOfFewDescriptors(limits, warn);

    const format = this.json
      ? (entry: ConnectionLog) => JSON.stringify({ event: "connection", ...toFields(entry) })
      : formatLogLine;
    const proxy = await startProxy({
      ports: servers.proxyPorts(),
      identify: (address) => servers.find(address),
      isContainer: (address) => servers.isContainer(address),
      log: (entry) => log.write(format(entry)),
      warn,
      policy,
      resolvers: this.dns,
      limits,
      signal: interruption,
    });
    const printPorts = () => log.write(this.#listening(proxy.ports));
    printPorts();
    const stopFollowing = followPorts(servers, proxy, printPorts, warn);
    await proxy.stopped;
    stopFollowing();
    const { outcomes, bytesOut, bytesIn, unlogged } = proxy.stats();
    const stopped = { event: "stopped", time: this.time(), outcomes, bytesOut, bytesIn, unlogged } as const;
    log.write(this.json ? JSON.stringify(stopped) : presentStopped(stopped));
  }

  /** Undefined when the wait for `dp load` was interrupted. */
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
        if (tries === 0) warn("the datapath is not loaded: waiting for dp load");
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

/** With a larger number of seconds, timers would overflow. */
const MAX_LIMIT = 1_000_000;

function limit(
  name: keyof ProxyLimits,
  text: string | undefined,
  option: string,
  { factor = 1, least = 1 } = {},
): Partial<ProxyLimits> {
  if (text === undefined) return {};
  const number = parseNumber(text, option);
  if (number >= least && number <= MAX_LIMIT) return { [name]: number * factor };
  throw new UsageError(`${option} is ${number}: expected a whole number from ${least} to ${MAX_LIMIT}`);
}
