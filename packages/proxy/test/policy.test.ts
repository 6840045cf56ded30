import { describe, expect, test } from "bun:test";
import { DatapathError, formatIpv4, parseAddress, Prefix } from "@dp/sys";
import fc from "fast-check";
import { type DestinationKind, Policy } from "../src/policy/policy.ts";
import { compareSpecificity, formatRuleTarget, parseRuleTarget, ruleTargetMatches } from "../src/policy/rule.ts";

const ipv4 = fc.integer({ min: 0, max: 0xffffffff }).map(formatIpv4);
const port = fc.integer({ min: 1, max: 65535 });
const target = fc.tuple(ipv4, fc.integer({ min: 0, max: 32 }), port, port).map(([address, prefix, a, b]) => ({
  prefix: Prefix.of(bytesOf(address), prefix),
  ports: [Math.min(a, b), Math.max(a, b)] as const,
}));

describe("a policy rule", () => {
  test("is the same after formatting and parsing", () => {
    fc.assert(
      fc.property(target, (rule) => {
        expect(parseRuleTarget(formatRuleTarget(rule))).toEqual({ ...rule, ports: [...rule.ports] });
      }),
    );
  });

  test("matches the addresses of its network and the ports of its range, and no others", () => {
    fc.assert(
      fc.property(target, ipv4, port, (rule, address, number) => {
        const bits = (bytes: Uint8Array) =>
          [...bytes.subarray(12)]
            .map((byte) => byte.toString(2).padStart(8, "0"))
            .join("")
            .slice(0, rule.prefix.length);
        const expected =
          bits(bytesOf(address)) === bits(rule.prefix.address) && number >= rule.ports[0] && number <= rule.ports[1];
        return ruleTargetMatches(rule, bytesOf(address), number) === expected;
      }),
    );
  });

  test("without prefix means one address, without port every port", () => {
    const parsed = (text: string) => {
      const { prefix, ports } = parseRuleTarget(text);
      return [prefix.toString(), ...ports];
    };
    expect(parsed("1.2.3.4")).toEqual(["1.2.3.4/32", 1, 65535]);
    expect(parsed("10.0.0.0/8:25")).toEqual(["10.0.0.0/8", 25, 25]);
    expect(parsed("0.0.0.0/0:8000-8100")).toEqual(["0.0.0.0/0", 8000, 8100]);
  });

  test.each([
    "",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:",
    "1.2.3.4:80-",
    "1.2.3.4:90-80",
    "1.2.3.4:1-2-3",
    "example.org:80",
    "::1/128",
    "[::1]:80",
    "1.2.3.4:80 ",
  ])("%p is refused as bad usage", (text) => {
    const error = catchError(() => parseRuleTarget(text));
    expect(error).toBeInstanceOf(DatapathError);
    expect((error as DatapathError).code).toBe("BAD_USAGE");
  });

  test("with host bits set is refused with a hint", () => {
    expect((catchError(() => parseRuleTarget("10.1.2.3/8")) as DatapathError).hint).toContain("10.0.0.0/8");
  });

  test("any text is parsed or refused as bad usage", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0123456789./:-") }), (text) => {
        const error = catchError(() => parseRuleTarget(text));
        return error === undefined || (error instanceof DatapathError && error.code === "BAD_USAGE");
      }),
    );
  });

  test("is ordered by prefix first, then by ports; the order is total", () => {
    fc.assert(
      fc.property(target, target, (a, b) => {
        expect(Math.sign(compareSpecificity(a, b)) + Math.sign(compareSpecificity(b, a))).toBe(0);
        const longer = a.prefix.length - b.prefix.length;
        if (longer !== 0) expect(compareSpecificity(a, b) < 0).toBe(longer > 0);
      }),
    );
  });
});

describe("the policy", () => {
  const decide = (policy: Policy, text: string, kind: DestinationKind = "external") => {
    const [address = "", number = "443"] = text.split(":");
    return policy.decide({ address, port: Number(number) }, kind).allowed;
  };
  const defaults = new Policy();

  test.each(["1.1.1.1", "93.184.216.34:80", "11.0.0.1", "172.15.255.255", "172.32.0.1", "100.63.0.1", "100.128.0.1"])(
    "lets containers reach %p by default",
    (address) => expect(decide(defaults, address)).toBe(true),
  );

  test.each([
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "not an address",
    "::1",
  ])("refuses %p by default", (address) => {
    expect(defaults.decide({ address, port: 80 }, "external").allowed).toBe(false);
  });

  test("an allowed network is open, and no other one", () => {
    const policy = new Policy({ allow: ["10.0.0.0/8"] });
    expect(decide(policy, "10.1.2.3")).toBe(true);
    expect(decide(policy, "192.168.0.1")).toBe(false);
  });

  test("allowing the whole internet does not open the reserved ranges", () => {
    const policy = new Policy({ allow: ["0.0.0.0/0:25"] });
    expect(decide(policy, "10.0.0.1:25")).toBe(false);
    expect(decide(policy, "1.2.3.4:25")).toBe(true);
  });

  test.each([
    ["100.64.0.0/10", "100.100.100.200"],
    ["169.254.0.0/16", "169.254.170.2"],
    ["169.254.0.0/16", "169.254.42.42"],
    ["192.0.0.0/24", "192.0.0.192"],
  ])("allowing %s does not open the metadata service at %s", (allow, address) => {
    expect(decide(new Policy({ allow: [allow] }), address)).toBe(false);
    expect(decide(new Policy({ allow: [address] }), address)).toBe(true);
  });

  test("allowing link-local does not open the metadata service; its own address does", () => {
    expect(decide(new Policy({ allow: ["169.254.0.0/16"] }), "169.254.169.254:80")).toBe(false);
    expect(decide(new Policy({ allow: ["169.254.169.254"] }), "169.254.169.254:80")).toBe(true);
  });

  test("the most specific rule decides: prefix, then ports", () => {
    const policy = new Policy({
      deny: ["0.0.0.0/0:25", "1.2.0.0/16", "5.5.5.5:8000-8999"],
      allow: ["1.2.3.0/24", "1.2.3.4:25", "5.5.5.5:8080"],
    });
    expect(decide(policy, "8.8.8.8:25")).toBe(false);
    expect(decide(policy, "1.2.9.9")).toBe(false);
    expect(decide(policy, "1.2.3.9")).toBe(true);
    expect(decide(policy, "1.2.3.4:25")).toBe(true);
    expect(decide(policy, "5.5.5.5:8080")).toBe(true);
    expect(decide(policy, "5.5.5.5:8081")).toBe(false);
  });

  test("of equally specific rules deny wins over allow, in any order", () => {
    expect(decide(new Policy({ allow: ["1.2.3.4:80"], deny: ["1.2.3.4:80"] }), "1.2.3.4:80")).toBe(false);
  });

  test("an address of the host needs a /32 rule", () => {
    expect(decide(new Policy({ allow: ["203.0.113.0/24"] }), "203.0.113.5", "host")).toBe(false);
    expect(decide(new Policy({ allow: ["203.0.113.5"] }), "203.0.113.5", "host")).toBe(true);
    expect(decide(new Policy({ allow: ["203.0.113.5:25565"] }), "203.0.113.5:25565", "host")).toBe(true);
    expect(decide(new Policy({ allow: ["203.0.113.5:25565"] }), "203.0.113.5:22", "host")).toBe(false);
    expect(decide(new Policy({ allow: ["127.0.0.0/8:8080"] }), "127.0.0.1:8080", "host")).toBe(true);
  });

  test("an address of a container needs a /32 rule", () => {
    for (const allow of ["10.0.0.0/8", "10.2.0.0/16:25565", "10.2.0.2/31"]) {
      expect(decide(new Policy({ allow: [allow] }), "10.2.0.3:25565", "container")).toBe(false);
    }
    expect(decide(new Policy({ allow: ["10.2.0.3:25565"] }), "10.2.0.3:25565", "container")).toBe(true);
    expect(decide(new Policy({ allow: ["10.2.0.3:25565"] }), "10.2.0.3:25575", "container")).toBe(false);
  });

  test("names the rule that decided", () => {
    const policy = new Policy({ deny: ["1.2.3.0/24:25"] });
    expect(policy.decide({ address: "1.2.3.4", port: 25 }, "external").rule).toBe("deny 1.2.3.0/24:25");
    expect(policy.decide({ address: "1.2.3.4", port: 26 }, "external").rule).toBe("default");
    expect(policy.decide({ address: "10.0.0.1", port: 80 }, "external").rule).toContain("RFC 1918");
  });

  test("decides like a plain search for the most specific match", () => {
    const rule = fc.record({ target, allow: fc.boolean() });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), ipv4, port, (rules, address, number) => {
        // Only public addresses are compared: for them no built-in rule matches.
        fc.pre(new Policy().decide({ address, port: number }, "external").allowed);
        const texts = (allow: boolean) =>
          rules.filter((one) => one.allow === allow).map((one) => formatRuleTarget(one.target));
        const matching = rules.filter((one) => ruleTargetMatches(one.target, bytesOf(address), number));
        const width = (one: (typeof rules)[number]) => one.target.ports[1] - one.target.ports[0];
        const best = matching.filter((one) =>
          matching.every(
            (other) =>
              other.target.prefix.length < one.target.prefix.length ||
              (other.target.prefix.length === one.target.prefix.length && width(other) >= width(one)),
          ),
        );
        const policy = new Policy({ allow: texts(true), deny: texts(false) });
        const expected = best.every((one) => one.allow);
        return policy.decide({ address, port: number }, "external").allowed === expected;
      }),
      { numRuns: 500 },
    );
  });
});

/** The 16 bytes of an address. */
function bytesOf(address: string): Uint8Array {
  return parseAddress(address) as Uint8Array;
}

function catchError(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}
