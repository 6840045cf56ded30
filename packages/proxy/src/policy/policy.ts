import type { Endpoint } from "../ipv4.ts";
import { type Ipv4, maskIpv4, parseIpv4 } from "../ipv4.ts";
import { RESERVED_RANGES } from "./reserved-ranges.ts";
import { compareSpecificity, formatRuleTarget, parseRuleTarget, type RuleTarget, ruleTargetMatches } from "./rule.ts";

/** Rules besides those that are built in. */
export interface PolicyOptions {
  /** What `--allow` was given: "10.0.0.0/8", "1.2.3.4:25565", "0.0.0.0/0:8000-8100". */
  readonly allow?: readonly string[] | undefined;
  /** What `--deny` was given, in the same form. */
  readonly deny?: readonly string[] | undefined;
}

/** What the policy says of a destination, and by which rule. */
export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided, for people: "deny 10.0.0.0/8 (private (RFC 1918))", "allow 1.2.3.4/32:25", "default". */
  readonly rule: string;
}

interface Rule {
  readonly target: RuleTarget;
  readonly allowed: boolean;
  readonly given: boolean;
  readonly text: string;
}

/** Whose address it is, as far as that is for the policy to know: the host's own, a server's container's. */
export type Whose = keyof typeof OWNERS | undefined;

const OWNERS = { host: "an address of the host", server: "the container of a server" } as const;

const LOOPBACK: Ipv4 = 127 * 2 ** 24;

/**
 * Where containers may connect to.
 *
 * The most specific rule that matches decides: the longest prefix, then the narrowest range of ports. Between equals a
 * given rule beats a built-in one, then deny beats allow. No rule: allowed. Built in are `RESERVED_RANGES`, so
 * `--allow 10.0.0.0/8` opens that network and `--allow 0.0.0.0/0:443` does not.
 *
 * An address of the host itself, or of a server's container, is refused unless a given /32 rule allows it: a rule for
 * the network they are in is not meant to open the host, nor one tenant to another. Loopback is not among these,
 * 127.0.0.0/8 is a reserved range like others.
 */
export class Policy {
  readonly #rules: readonly Rule[];

  /** Throws `DatapathError` BAD_USAGE for a rule that cannot be read. */
  constructor({ allow = [], deny = [] }: PolicyOptions = {}) {
    const given = (allowed: boolean) => (text: string) => {
      const target = parseRuleTarget(text);
      return { target, allowed, given: true, text: `${allowed ? "allow" : "deny"} ${formatRuleTarget(target)}` };
    };
    const reserved = RESERVED_RANGES.map(({ cidr, why }) => ({
      target: parseRuleTarget(cidr),
      allowed: false,
      given: false,
      text: `deny ${cidr} (${why})`,
    }));
    this.#rules = [...reserved, ...allow.map(given(true)), ...deny.map(given(false))].sort(
      (a, b) =>
        compareSpecificity(a.target, b.target) ||
        Number(b.given) - Number(a.given) ||
        Number(a.allowed) - Number(b.allowed),
    );
  }

  /** `whose`: who has the address. An address that is no IPv4 address is refused. Throws nothing. */
  decide({ address, port }: Endpoint, whose: Whose): Decision {
    const number = parseIpv4(address);
    if (number === undefined) return { allowed: false, rule: "deny (not IPv4)" };
    const rule = this.#rules.find(({ target }) => ruleTargetMatches(target, number, port));
    const exact = rule?.given === true && rule.target.prefix === 32;
    if (whose !== undefined && !exact && maskIpv4(number, 8) !== LOOPBACK) {
      return { allowed: false, rule: `deny (${OWNERS[whose]})` };
    }
    return rule === undefined ? { allowed: true, rule: "default" } : { allowed: rule.allowed, rule: rule.text };
  }
}
