import { describe, expect, test } from "bun:test";
import { DatapathError } from "@dp/sys";
import fc from "fast-check";
import { formatIpv4, maskIpv4, parseIpv4 } from "../src/endpoint.ts";
import { Policy } from "../src/policy/policy.ts";
import { compareSpecificity, formatRuleTarget, parseRuleTarget, ruleTargetMatches } from "../src/policy/rule.ts";

const ipv4 = fc.integer({ min: 0, max: 0xffffffff });
const port = fc.integer({ min: 1, max: 65535 });
const target = fc.tuple(ipv4, fc.integer({ min: 0, max: 32 }), port, port).map(([address, prefix, a, b]) => ({
  network: maskIpv4(address, prefix),
  prefix,
  ports: [Math.min(a, b), Math.max(a, b)] as const,
}));

describe("IPv4 addresses", () => {
  test("survive being written and read", () => {
    fc.assert(fc.property(ipv4, (address) => parseIpv4(formatIpv4(address)) === address));
  });

  test.each(["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1.2.3.", "::1", "1e1.0.0.0"])(
    "%p is none",
    (text) => expect(parseIpv4(text)).toBeUndefined(),
  );

  test("any text is read or refused, never wrongly", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const address = parseIpv4(text);
        return address === undefined || formatIpv4(address) === text;
      }),
    );
  });
});

describe("a policy rule", () => {
  test("survives being written and read", () => {
    fc.assert(
      fc.property(target, (rule) => {
        expect(parseRuleTarget(formatRuleTarget(rule))).toEqual({ ...rule, ports: [...rule.ports] });
      }),
    );
  });

  test("matches the addresses of its network and the ports of its range, and no others", () => {
    fc.assert(
      fc.property(target, ipv4, port, (rule, address, number) => {
        const bits = (value: number) => value.toString(2).padStart(32, "0").slice(0, rule.prefix);
        const expected = bits(address) === bits(rule.network) && number >= rule.ports[0] && number <= rule.ports[1];
        return ruleTargetMatches(rule, address, number) === expected;
      }),
    );
  });

  test("without prefix means one address, without port every port", () => {
    expect(parseRuleTarget("1.2.3.4")).toEqual({ network: 0x01020304, prefix: 32, ports: [1, 65535] });
    expect(parseRuleTarget("10.0.0.0/8:25")).toEqual({ network: 10 * 2 ** 24, prefix: 8, ports: [25, 25] });
    expect(parseRuleTarget("0.0.0.0/0:8000-8100").ports).toEqual([8000, 8100]);
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

  test("with bits outside of its network is refused, with the network that was meant", () => {
    expect((catchError(() => parseRuleTarget("10.1.2.3/8")) as DatapathError).hint).toContain("10.0.0.0/8");
  });

  test("any text is read or refused as bad usage", () => {
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
        if (a.prefix !== b.prefix) expect(compareSpecificity(a, b) < 0).toBe(a.prefix > b.prefix);
      }),
    );
  });
});

describe("the policy", () => {
  const decide = (policy: Policy, text: string, whose?: "host" | "server") => {
    const [address = "", number = "443"] = text.split(":");
    return policy.decide({ address, port: Number(number) }, whose).allowed;
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
    expect(defaults.decide({ address, port: 80 }, undefined).allowed).toBe(false);
  });

  test("an allowed network is open, as a whole and no wider", () => {
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

  test("between equals deny beats allow, in whatever order they were given", () => {
    expect(decide(new Policy({ allow: ["1.2.3.4:80"], deny: ["1.2.3.4:80"] }), "1.2.3.4:80")).toBe(false);
  });

  test("an address of the host needs a rule of its own", () => {
    expect(decide(new Policy({ allow: ["203.0.113.0/24"] }), "203.0.113.5", "host")).toBe(false);
    expect(decide(new Policy({ allow: ["203.0.113.5"] }), "203.0.113.5", "host")).toBe(true);
    expect(decide(new Policy({ allow: ["203.0.113.5:25565"] }), "203.0.113.5:25565", "host")).toBe(true);
    expect(decide(new Policy({ allow: ["203.0.113.5:25565"] }), "203.0.113.5:22", "host")).toBe(false);
    expect(decide(new Policy({ allow: ["127.0.0.0/8:8080"] }), "127.0.0.1:8080", "host")).toBe(true);
  });

  test("a container of a server needs a rule of its own", () => {
    for (const allow of ["10.0.0.0/8", "10.2.0.0/16:25565", "10.2.0.2/31"]) {
      expect(decide(new Policy({ allow: [allow] }), "10.2.0.3:25565", "server")).toBe(false);
    }
    expect(decide(new Policy({ allow: ["10.2.0.3:25565"] }), "10.2.0.3:25565", "server")).toBe(true);
    expect(decide(new Policy({ allow: ["10.2.0.3:25565"] }), "10.2.0.3:25575", "server")).toBe(false);
  });

  test("says which rule decided", () => {
    const policy = new Policy({ deny: ["1.2.3.0/24:25"] });
    expect(policy.decide({ address: "1.2.3.4", port: 25 }, undefined).rule).toBe("deny 1.2.3.0/24:25");
    expect(policy.decide({ address: "1.2.3.4", port: 26 }, undefined).rule).toBe("default");
    expect(policy.decide({ address: "10.0.0.1", port: 80 }, undefined).rule).toContain("RFC 1918");
  });

  test("decides as a plain search for the most specific match does", () => {
    const rule = fc.record({ target, allow: fc.boolean() });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), ipv4, port, (rules, address, number) => {
        // Above every reserved range or inside it: only what the rules say about a public address is compared.
        fc.pre(new Policy().decide({ address: formatIpv4(address), port: number }, undefined).allowed);
        const texts = (allow: boolean) =>
          rules.filter((one) => one.allow === allow).map((one) => formatRuleTarget(one.target));
        const matching = rules.filter((one) => ruleTargetMatches(one.target, address, number));
        const width = (one: (typeof rules)[number]) => one.target.ports[1] - one.target.ports[0];
        const best = matching.filter((one) =>
          matching.every(
            (other) =>
              other.target.prefix < one.target.prefix ||
              (other.target.prefix === one.target.prefix && width(other) >= width(one)),
          ),
        );
        const policy = new Policy({ allow: texts(true), deny: texts(false) });
        const expected = best.every((one) => one.allow);
        return policy.decide({ address: formatIpv4(address), port: number }, undefined).allowed === expected;
      }),
      { numRuns: 500 },
    );
  });
});

function catchError(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}
