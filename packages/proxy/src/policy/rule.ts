import { DatapathError } from "@dp/sys";
import { formatIpv4, type Ipv4, maskIpv4, parseIpv4 } from "../endpoint.ts";

/** Which connections a rule speaks of. */
export interface RuleTarget {
  readonly network: Ipv4;
  /** Bits of the network that must match, 0 to 32. */
  readonly prefix: number;
  /** First and last port, both included. 1 to 65535 when the rule names none. */
  readonly ports: readonly [number, number];
}

const MAX_PORT = 65535;
const FORM = "give ADDRESS[/PREFIX][:PORT[-PORT]], such as 10.0.0.0/8, 1.2.3.4:25565 or 0.0.0.0/0:8000-8100";

/**
 * Reads the argument of `--allow` or `--deny`. Throws `DatapathError` BAD_USAGE for anything but an IPv4 address or
 * network, optionally with a port or a range of ports.
 */
export function parseRuleTarget(text: string): RuleTarget {
  const bad = (reason: string, hint = FORM) =>
    new DatapathError("BAD_USAGE", `read the policy rule ${JSON.stringify(text)}`, reason, { hint });
  const [network, ports, ...more] = text.split(":");
  if (more.length > 0) throw bad("only IPv4 is proxied");
  const [address, prefixText, ...rest] = (network ?? "").split("/");
  if (rest.length > 0) throw bad("more than one prefix length");
  const number = parseIpv4(address ?? "");
  if (number === undefined) throw bad("not an IPv4 address");
  const prefix = prefixText === undefined ? 32 : wholeNumber(prefixText);
  if (prefix === undefined || prefix > 32) throw bad("the prefix length is a number from 0 to 32");
  const masked = maskIpv4(number, prefix);
  if (masked !== number) {
    throw bad("the address has bits outside of its network", `did you mean ${formatIpv4(masked)}/${prefix}?`);
  }
  return { network: number, prefix, ports: ports === undefined ? [1, MAX_PORT] : parsePorts(ports, bad) };
}

function parsePorts(text: string, bad: (reason: string) => DatapathError): [number, number] {
  const [firstText, lastText, ...rest] = text.split("-");
  const first = wholeNumber(firstText ?? "");
  const last = lastText === undefined ? first : wholeNumber(lastText);
  if (rest.length > 0 || first === undefined || last === undefined || first < 1 || last > MAX_PORT) {
    throw bad("a port is a number from 1 to 65535");
  }
  if (first > last) throw bad("the range of ports ends before it begins");
  return [first, last];
}

function wholeNumber(text: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : undefined;
}

/** The rule as `--allow` and `--deny` take it. */
export function formatRuleTarget({ network, prefix, ports: [first, last] }: RuleTarget): string {
  const ports = first === 1 && last === MAX_PORT ? "" : first === last ? `:${first}` : `:${first}-${last}`;
  return `${formatIpv4(network)}/${prefix}${ports}`;
}

export function ruleTargetMatches(target: RuleTarget, address: Ipv4, port: number): boolean {
  return port >= target.ports[0] && port <= target.ports[1] && maskIpv4(address, target.prefix) === target.network;
}

/** Sorts the more specific target first: the longer prefix, then the narrower range of ports. */
export function compareSpecificity(a: RuleTarget, b: RuleTarget): number {
  return b.prefix - a.prefix || a.ports[1] - a.ports[0] - (b.ports[1] - b.ports[0]);
}
