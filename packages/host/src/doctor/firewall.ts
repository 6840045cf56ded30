/** What nftables (and iptables, which today is made of it) does with packets of the proxy and to containers. */
import { execFileSync } from "node:child_process";
import type { HostConfig } from "@dp/core";
import { listed, type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** `nft --json list ruleset`: what is in it, each an object with one key that says what it is. */
export type Ruleset = readonly Readonly<Record<string, unknown>>[];

const TIMEOUT_MS = 10_000;
const LARGEST = 64 * 2 ** 20;

/** Of the calling thread's network namespace; undefined where nft cannot tell, or is not there. */
export function readRuleset(): Ruleset | undefined {
  try {
    const options = { encoding: "utf8", timeout: TIMEOUT_MS, maxBuffer: LARGEST, stdio: "pipe" } as const;
    const text = execFileSync("nft", ["--json", "list", "ruleset"], options);
    return (JSON.parse(text) as { nftables: Ruleset }).nftables;
  } catch {
    return undefined;
  }
}

interface Chain {
  family: string;
  table: string;
  name: string;
  hook: string;
  policy?: string;
}

/** IPv4 packets come by these. */
const FAMILIES = ["ip", "inet"];

function baseChains(ruleset: Ruleset, hook: string): Chain[] {
  return ruleset
    .flatMap(({ chain }) => (chain === undefined ? [] : [chain as Chain]))
    .filter((chain) => chain.hook === hook && FAMILIES.includes(chain.family));
}

/** Whether anything at all is forwarded to an interface of ours. Where it cannot be told, it is. */
export function forwardsToContainers(ruleset: Ruleset | undefined): boolean {
  if (ruleset === undefined) return true;
  const closed = baseChains(ruleset, "forward").some(
    (chain) => chain.policy === "drop" || rulesOf(ruleset, chain).some(dropsWhatGoesToHostPeers),
  );
  return !closed;
}

type Statement = Readonly<Record<string, unknown>>;

function rulesOf(ruleset: Ruleset, chain: Chain): (readonly Statement[])[] {
  return ruleset.flatMap(({ rule }) => {
    const { family, table, chain: name, expr } = (rule ?? {}) as Record<string, unknown>;
    const its = family === chain.family && table === chain.table && name === chain.name;
    return its ? [expr as readonly Statement[]] : [];
  });
}

function dropsWhatGoesToHostPeers(expr: readonly Statement[]): boolean {
  const drops = expr.some((statement) => "drop" in statement || "reject" in statement);
  const matches = expr.flatMap(({ match }) => (match === undefined ? [] : JSON.stringify(match)));
  return drops && matches.length === 1 && /"oifname".*"dp\*"/.test(matches[0] ?? "");
}

export function checkFirewall({ config }: HostView, ruleset: Ruleset | undefined): Verdict {
  if (config === undefined) return "nothing is loaded that it could keep from the proxy";
  if (ruleset === undefined) return "not looked at: nft is not installed, or does not answer";
  return judgeFirewall(ruleset, config);
}

type Ports = Pick<HostConfig, "httpPort" | "dnsPort" | "tcpPort">;

/**
 * A chain that drops what it is not told to accept, where nobody tells it of host peers or of the proxy's ports.
 * Players' packets meet no rule: they do not come by here.
 */
export function judgeFirewall(ruleset: Ruleset, { httpPort, dnsPort, tcpPort }: Ports): Verdict {
  const ports = [httpPort, dnsPort, tcpPort];
  const rules = ruleset.flatMap(({ rule, element, set }) => [rule, element, set]).filter((each) => each !== undefined);
  const text = JSON.stringify(rules);
  const told = /"dp\*?"/.test(text) || ports.every((port) => new RegExp(`\\b${port}\\b`).test(text));
  const closed = baseChains(ruleset, "input").filter(({ policy }) => policy === "drop");
  if (closed.length === 0) return "no chain of nftables drops input by default";
  if (told) return "nftables drops input by default, and has rules for the proxy";
  const names = closed.map(({ family, table, name }) => `${family} ${table} ${name}`);
  const what =
    `nftables drops input by default (${listed(names)}), and no rule is about host peers or the ports ` +
    `${listed(ports.map(String))}: what containers open may not get to the proxy`;
  const [first] = closed;
  const chain = `${first?.family} ${first?.table} ${first?.name}`;
  const fix =
    `nft insert rule ${chain} iifname '"dp*"' tcp dport '{' ${ports.join(", ")} '}' accept; ` +
    `nft insert rule ${chain} iifname '"dp*"' udp dport ${dnsPort} accept`;
  return [warning("firewall-input", what, fix)];
}
