import { DatapathError, parseIpv4, Prefix } from "@dp/sys";

/** The destinations that a rule is for. */
export interface RuleTarget {
  readonly prefix: Prefix;
  /** The first and the last port of a range; 1 and 65535 when the rule names no port. */
  readonly ports: readonly [number, number];
}

const MAX_PORT = 65535;
const HINT = "give ADDRESS[/PREFIX][:PORT[-PORT]], such as 10.0.0.0/8, 1.2.3.4:25565 or 0.0.0.0/0:8000-8100";

/**
 * Parses the argument of `--allow` or `--deny`: an IPv4 address or prefix, and optionally a port or a range of ports.
 *
 * @throws DatapathError `BAD_USAGE` for any other text
 */
export function parseRuleTarget(text: string): RuleTarget {
  const op = `parse the policy rule ${JSON.stringify(text)}`;
  const bad = (reason: string) => new DatapathError("BAD_USAGE", op, reason, { hint: HINT });
  const [prefix = "", ports, ...more] = text.split(":");
  if (more.length > 0) throw bad("the proxy supports only IPv4");
  const [address = ""] = prefix.split("/");
  if (parseIpv4(address) === undefined) throw bad(`${JSON.stringify(address)} is not an IPv4 address`);
  return { prefix: Prefix.parse(prefix, op), ports: ports === undefined ? [1, MAX_PORT] : parsePorts(ports, bad) };
}

function parsePorts(text: string, bad: (reason: string) => DatapathError): [number, number] {
  const [firstText = "", lastText = firstText, ...more] = text.split("-");
  const [first, last] = [parsePort(firstText), parsePort(lastText)];
  if (more.length > 0 || first === undefined || last === undefined) {
    throw bad(`${JSON.stringify(text)} is not a port from 1 to ${MAX_PORT}, or a range of such ports`);
  }
  if (first > last) throw bad(`the range ${text} ends before it begins`);
  return [first, last];
}

function parsePort(text: string): number | undefined {
  const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= MAX_PORT ? port : undefined;
}

/** The rule in the form of `--allow` and `--deny`. */
export function formatRuleTarget({ prefix, ports: [first, last] }: RuleTarget): string {
  const ports = first === 1 && last === MAX_PORT ? "" : first === last ? `:${first}` : `:${first}-${last}`;
  return `${prefix.toString()}${ports}`;
}

/** Whether the rule is for this destination. `address` has 16 bytes. */
export function ruleTargetMatches({ prefix, ports: [first, last] }: RuleTarget, address: Uint8Array, port: number) {
  return port >= first && port <= last && prefix.contains(address);
}

/** Sorts the more specific target first: the longer prefix, then the narrower range of ports. */
export function compareSpecificity(a: RuleTarget, b: RuleTarget): number {
  return b.prefix.length - a.prefix.length || a.ports[1] - a.ports[0] - (b.ports[1] - b.ports[0]);
}
