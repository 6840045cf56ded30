import { familyOf, parseAddress, Prefix } from "@dp/sys";
import type { Endpoint } from "../endpoint.ts";
import { RESERVED_RANGES } from "./reserved-ranges.ts";
import { compareSpecificity, formatRuleTarget, parseRuleTarget, type RuleTarget, ruleTargetMatches } from "./rule.ts";

/** The operator's rules. */
export interface PolicyOptions {
  /** The rules of `--allow`: "10.0.0.0/8", "1.2.3.4:25565", "0.0.0.0/0:8000-8100". */
  readonly allow?: readonly string[] | undefined;
  /** The rules of `--deny`, in the same form. */
  readonly deny?: readonly string[] | undefined;
}

/** The policy's decision about a destination. */
export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided, for the log: "deny 10.0.0.0/8 (private (RFC 1918))", "allow 1.2.3.4/32:25", "default". */
  readonly rule: string;
}

/** What a destination address belongs to: the host itself, a container of a server, or neither. */
export type DestinationKind = "host" | "container" | "external";

interface Rule {
  readonly target: RuleTarget;
  readonly allowed: boolean;
  readonly builtIn: boolean;
  readonly text: string;
}

const LOOPBACK = Prefix.parse("127.0.0.0/8", "read the loopback prefix");

const LOCAL_DESTINATIONS = { host: "an address of the host", container: "the container of a server" } as const;

/**
 * Decides where containers may connect to.
 *
 * The most specific rule that matches decides: the longest prefix, then the narrowest range of ports. Among equally
 * specific rules the operator's rule precedes a built-in one, then deny precedes allow. Without a matching rule the
 * destination is allowed. The built-in rules deny `RESERVED_RANGES`. So `--allow 10.0.0.0/8` opens that network, and
 * `--allow 0.0.0.0/0:443` does not.
 *
 * An address of the host, or of a container, is denied unless the operator has a /32 rule for it: a rule for the
 * network around it is not meant to open the host, or one tenant to another. Loopback is an exception: 127.0.0.0/8 is a
 * reserved range like others.
 */
export class Policy {
  readonly #rules: readonly Rule[];

  /** @throws DatapathError `BAD_USAGE` for a rule that cannot be parsed */
  constructor({ allow = [], deny = [] }: PolicyOptions = {}) {
    const operatorRule = (allowed: boolean) => (text: string) => {
      const target = parseRuleTarget(text);
      return { target, allowed, builtIn: false, text: `${allowed ? "allow" : "deny"} ${formatRuleTarget(target)}` };
    };
    const builtInRules = RESERVED_RANGES.map(({ cidr, why }) => ({
      target: parseRuleTarget(cidr),
      allowed: false,
      builtIn: true,
      text: `deny ${cidr} (${why})`,
    }));
    this.#rules = [...builtInRules, ...allow.map(operatorRule(true)), ...deny.map(operatorRule(false))].sort(
      (a, b) =>
        compareSpecificity(a.target, b.target) ||
        Number(a.builtIn) - Number(b.builtIn) ||
        Number(a.allowed) - Number(b.allowed),
    );
  }

  /** Decides about one destination. Text that is no IPv4 address is denied. Throws nothing. */
  decide({ address, port }: Endpoint, kind: DestinationKind): Decision {
    const bytes = parseAddress(address);
    if (bytes === undefined || familyOf(bytes) !== "ipv4") return { allowed: false, rule: "deny (not IPv4)" };
    const rule = this.#rules.find(({ target }) => ruleTargetMatches(target, bytes, port));
    const namesAddress = rule?.builtIn === false && rule.target.prefix.length === 32;
    if (kind !== "external" && !namesAddress && !LOOPBACK.contains(bytes)) {
      return { allowed: false, rule: `deny (${LOCAL_DESTINATIONS[kind]})` };
    }
    return rule === undefined ? { allowed: true, rule: "default" } : { allowed: rule.allowed, rule: rule.text };
  }
}
