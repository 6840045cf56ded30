/** Whether nftables (also iptables-nft) makes the host track what containers open. */
import { type Verdict, warning } from "./check.ts";
import type { Ruleset } from "./firewall.ts";

interface Rule {
  family: string;
  expr?: readonly unknown[];
}

/** Expressions and statements that make the kernel track every connection of the network namespace. */
const TRACKING = ["ct", "masquerade", "snat", "dnat", "redirect"];
const FAMILIES = ["ip", "inet"];

/** Not the proxy's flows only: one container can fill the table, and then the host takes no new connection at all. */
export function judgeConntrack(ruleset: Ruleset | undefined): Verdict {
  if (ruleset === undefined) return "unknown: nft is missing or cannot list the ruleset";
  const rules = ruleset
    .flatMap(({ rule }) => (rule === undefined ? [] : [rule as Rule]))
    .filter(({ family }) => FAMILIES.includes(family));
  if (!rules.some(({ expr }) => TRACKING.some((key) => mentions(expr, key)))) return "the host tracks no connections";
  if (rules.some(isExemption)) return "what comes by host peers is not tracked";
  const what =
    "the firewall tracks connections, also those that containers open to the proxy: one container can fill the " +
    "table of all (net.netfilter.nf_conntrack_max)";
  const chain = (hook: string, direction: string) =>
    `chain ${hook} { type filter hook ${hook} priority raw; ${direction} "dp*" notrack; };`;
  const fix = `nft 'table ip datapath-notrack { ${chain("prerouting", "iifname")} ${chain("output", "oifname")} }'`;
  return [warning("conntrack-of-containers", what, fix)];
}

/** `iifname "dp*" notrack`, or a prefix of it. */
function isExemption({ expr }: Rule): boolean {
  return mentions(expr, "notrack") && /"iifname"/.test(JSON.stringify(expr)) && /"dp\*?"/.test(JSON.stringify(expr));
}

/** Whether a key is anywhere in the expressions. */
function mentions(value: unknown, key: string): boolean {
  if (Array.isArray(value)) return value.some((each) => mentions(each, key));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, inner]) => name === key || mentions(inner, key));
}
