/** Whether nftables (also iptables-nft) drops packets to the proxy, and forwarded packets to containers. */
import { execFileSync } from "node:child_process";
import type { HostConfig } from "@dp/core";
import { listed, type Verdict, warning } from "./check.ts";
import type { HostView } from "./host-view.ts";

/** The objects of `nft --json list ruleset`. The one key of each says what it is. */
export type Ruleset = readonly Readonly<Record<string, unknown>>[];

const TIMEOUT_MS = 10_000;
const LARGEST = 64 * 2 ** 20;

/** The ruleset of the calling thread's network namespace; undefined when nft is missing or fails. */
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

/** The families whose chains see IPv4 packets. */
const FAMILIES = ["ip", "inet"];

function baseChains(ruleset: Ruleset, hook: string): Chain[] {
  return ruleset
    .flatMap(({ chain }) => (chain === undefined ? [] : [chain as Chain]))
    .filter((chain) => chain.hook === hook && FAMILIES.includes(chain.family));
}

/** Whether the ruleset lets forwarded packets reach host peers. True when the ruleset is unknown. */
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
  if (config === undefined) return "nothing is loaded";
  if (ruleset === undefined) return "not checked: nft is not installed, or failed";
  return judgeFirewall(ruleset, config);
}

type Ports = Pick<HostConfig, "httpPort" | "dnsPort" | "tcpPort">;

/**
 * Finds input chains that drop by default without a rule for host peers or the proxy's ports. Players' packets pass no
 * chain of nftables.
 */
export function judgeFirewall(ruleset: Ruleset, { httpPort, dnsPort, tcpPort }: Ports): Verdict {
  const ports = [httpPort, dnsPort, tcpPort];
  const rules = ruleset.flatMap(({ rule, element, set }) => [rule, element, set]).filter((each) => each !== undefined);
  const text = JSON.stringify(rules);
  const told = /"dp\*?"/.test(text) || ports.every((port) => new RegExp(`\\b${port}\\b`).test(text));
  const closed = baseChains(ruleset, "input").filter(({ policy }) => policy === "drop");
  if (closed.length === 0) return "no chain of nftables drops input by default";
  if (told) return "nftables drops input by default, and has a rule for the proxy";
  const names = closed.map(({ family, table, name }) => `${family} ${table} ${name}`);
  const what =
    `nftables drops input by default (${listed(names)}), and no rule names host peers or the ports ` +
    `${listed(ports.map(String))}: containers may not reach the proxy`;
  const [first] = closed;
  const chain = `${first?.family} ${first?.table} ${first?.name}`;
  const fix =
    `nft insert rule ${chain} iifname '"dp*"' tcp dport '{' ${ports.join(", ")} '}' accept; ` +
    `nft insert rule ${chain} iifname '"dp*"' udp dport ${dnsPort} accept`;
  return [warning("firewall-input", what, fix)];
}
