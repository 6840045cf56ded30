/** What doctor makes of what it sees, where the machine itself cannot be broken. */
import { describe, expect, test } from "bun:test";
import type { Filter } from "@dp/netlink";
import type { Verdict } from "../src/doctor/check.ts";
import { forwardsToContainers, judgeFirewall, type Ruleset } from "../src/doctor/firewall.ts";
import { judgeFilters } from "../src/doctor/hooks.ts";
import { judgeJit } from "../src/doctor/kernel.ts";
import { isNewEnough } from "../src/doctor/libbpf.ts";
import { findOfUsers, judgeListeners, type Listener } from "../src/doctor/listeners.ts";
import { judgeCgroup2 } from "../src/doctor/mounts.ts";
import { judgeNeighbours } from "../src/doctor/neighbours.ts";
import { judgePortRange } from "../src/doctor/ports.ts";
import { judgeRpFilter, modeOf } from "../src/doctor/routing.ts";

function codes(verdict: Verdict): string[] {
  return typeof verdict === "string" ? [] : verdict.map(({ severity, code }) => `${severity} ${code}`);
}

test.each([
  ["1.1", true],
  ["1.10", true],
  ["2.0", true],
  ["1.0", false],
  ["0.8", false],
  ["", false],
])("libbpf %j is new enough: %p", (version, expected) => expect(isNewEnough(version)).toBe(expected));

test("programs that are interpreted are a warning", () => {
  expect(codes(judgeJit(true))).toEqual([]);
  expect(codes(judgeJit(false))).toEqual(["warning jit-off"]);
});

describe("cgroup2", () => {
  test("is found wherever all of it is mounted, and missed where it is not", () => {
    const unified = { path: "/sys/fs/cgroup", root: "/" };
    expect(judgeCgroup2([unified], "")).toBe("mounted on /sys/fs/cgroup");
    const legacy = "29 25 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
    expect(judgeCgroup2([{ ...unified, path: "/elsewhere" }], legacy)).toBe(
      "mounted on /elsewhere, beside cgroup version 1",
    );
    expect(codes(judgeCgroup2([{ path: "/sys/fs/cgroup", root: "/docker/1" }], ""))).toEqual([
      "warning cgroup2-partial",
    ]);
    expect(codes(judgeCgroup2([], legacy))).toEqual(["error cgroup2-missing"]);
  });
});

describe("tables of neighbours", () => {
  test("need room for 8,192, both of them, where the limits can be seen", () => {
    expect(codes(judgeNeighbours({ ipv4: "8192", ipv6: "16384" }))).toEqual([]);
    expect(judgeNeighbours({ ipv4: undefined, ipv6: undefined })).toStartWith("not checked");
    expect(codes(judgeNeighbours({ ipv4: "1024", ipv6: undefined }))).toEqual(["warning neighbour-table-small"]);
    expect(judgeNeighbours({ ipv4: "8192", ipv6: "1024" })).toMatchObject([
      { fix: "sysctl -w net.ipv6.neigh.default.gc_thresh3=8192" },
    ]);
  });
});

describe("rp_filter", () => {
  test("is the higher of all's and the interface's own", () => {
    expect([modeOf("0", "1"), modeOf("2", "1"), modeOf("1", "0"), modeOf(undefined, undefined)]).toEqual([1, 2, 1, 0]);
  });

  test("matters when it is strict and there are several uplinks", () => {
    expect(codes(judgeRpFilter([{ name: "eth0", mode: 1 }]))).toEqual([]);
    const loose = { name: "eth1", mode: 2 };
    expect(codes(judgeRpFilter([{ name: "eth0", mode: 0 }, loose]))).toEqual([]);
    const verdict = judgeRpFilter([{ name: "eth0", mode: 1 }, loose]);
    expect(codes(verdict)).toEqual(["warning rp-filter-strict"]);
    expect(verdict[0]).toMatchObject({
      fix: "sysctl -w net.ipv4.conf.all.rp_filter=2 && sysctl -w net.ipv4.conf.eth0.rp_filter=2",
    });
  });
});

test("a port range that reaches into the ephemeral range is a warning", () => {
  expect(codes(judgePortRange([25565, 30564], [32768, 60999]))).toEqual([]);
  const above = judgePortRange([25565, 33000], [32768, 60999]);
  expect(above[0]).toMatchObject({
    code: "port-range",
    what: expect.stringContaining("takes 32768-33000 for"),
    fix: expect.stringContaining('ip_local_port_range="33001 65535"'),
  });
  expect(judgePortRange([61000, 65535], [32768, 65535])[0]).toMatchObject({
    fix: expect.stringContaining('ip_local_port_range="1024 60999"'),
  });
});

describe("the proxy's listeners", () => {
  const config = { httpPort: 9080, dnsPort: 9053, tcpPort: 9111, hostSubnets: { ipv4: "10.1.0.0/16" } };
  const listener = (protocol: "TCP" | "UDP", port: number, address = "0.0.0.0"): Listener => {
    return { protocol, port, address, uid: 0, inode: "1" };
  };
  const all = [listener("TCP", 9080), listener("TCP", 9053), listener("UDP", 9053), listener("TCP", 9111)];

  test("are right on all addresses, of IPv6 too, and on host peers'", () => {
    expect(judgeListeners(all, config)).toEqual({ verdict: "a process listens on each of its ports", reached: all });
    const others = all.map((each, at) => ({ ...each, address: at % 2 === 0 ? "0".repeat(32) : "10.1.0.7" }));
    expect(codes(judgeListeners(others, config).verdict)).toEqual([]);
  });

  test("are missed one by one, and where they listen to the host alone", () => {
    const { verdict, reached } = judgeListeners([listener("TCP", 9080, "127.0.0.1"), ...all.slice(1, 2)], config);
    expect(codes(verdict)).toEqual(["warning proxy-not-listening"]);
    expect(verdict[0]).toMatchObject({
      what:
        "no process listens on TCP 9080 (HTTP), UDP 9053 (DNS) and TCP 9111 (all other TCP): what containers open there " +
        "is refused; containers do not reach 127.0.0.1:9080",
    });
    expect(reached).toEqual([listener("TCP", 9053)]);
  });

  test("of another user than root are told, each user once", () => {
    expect(findOfUsers(all)).toEqual([]);
    const users = all.map((each, at) => ({ ...each, uid: [0, 1000, 1000, 33][at] ?? 0 }));
    expect(findOfUsers(users)).toMatchObject([
      { code: "listener-of-user", what: expect.stringContaining("id 1000 listens on TCP 9053 and UDP 9053") },
      { code: "listener-of-user", what: expect.stringContaining("id 33 listens on TCP 9111") },
    ]);
  });
});

describe("filters of others beside ours", () => {
  const filter = (priority: number, id?: number): Filter => {
    const program = id === undefined ? undefined : { id, name: `prog${id}` };
    return { kind: id === undefined ? "u32" : "bpf", priority, chain: 0, handle: 1, program };
  };
  const hook = { iface: "eth0", where: "", direction: "ingress", danger: "it may hurt" } as const;

  test("are an error before ours, a warning after", () => {
    const findings = judgeFilters({ ...hook, ours: [{ programId: 7 }, { programId: 8 }] }, [
      filter(1, 7),
      filter(1, 99),
      filter(2, 8),
      filter(3),
    ]);
    expect(findings).toMatchObject([
      {
        code: "foreign-program",
        severity: "error",
        what: "a bpf filter prog99 (id 99) of priority 1 runs before ours on the ingress of eth0: it may hurt",
      },
      { code: "foreign-program-after", severity: "warning" },
    ]);
  });
});

describe("nftables", () => {
  const chain = (hook: string, policy: string) => ({
    chain: { family: "inet", table: "filter", name: hook, type: "filter", hook, prio: 0, policy },
  });
  const rule = (name: string, ...expr: unknown[]) => ({ rule: { family: "inet", table: "filter", chain: name, expr } });
  const ports = { httpPort: 9080, dnsPort: 9053, tcpPort: 9111 };
  const iif = (name: string) => ({ match: { op: "==", left: { meta: { key: "iifname" } }, right: name } });
  const dport = (set: number[]) => ({
    match: { op: "==", left: { payload: { protocol: "tcp", field: "dport" } }, right: { set } },
  });
  const accept = { accept: null };

  test.each<[string, Ruleset, string[]]>([
    ["none", [], []],
    ["accepting", [chain("input", "accept")], []],
    ["dropping", [chain("input", "drop")], ["warning firewall-input"]],
    [
      "dropping, with another port",
      [chain("input", "drop"), rule("input", dport([22]), accept)],
      ["warning firewall-input"],
    ],
    ["dropping, with host peers accepted", [chain("input", "drop"), rule("input", iif("dp*"), accept)], []],
    [
      "dropping, with the ports accepted",
      [chain("input", "drop"), rule("input", dport([9080, 9053, 9111]), accept)],
      [],
    ],
    ["of bridges", [{ chain: { ...chain("input", "drop").chain, family: "bridge" } }], []],
  ])("an input chain that is %s", (_, ruleset, expected) => {
    expect(codes(judgeFirewall(ruleset, ports))).toEqual(expected);
  });

  test("keeps what is forwarded from containers by policy, or by a rule for host peers alone", () => {
    const oif = { match: { op: "==", left: { meta: { key: "oifname" } }, right: "dp*" } };
    const drop = { drop: null };
    expect(forwardsToContainers(undefined)).toBe(true);
    expect(forwardsToContainers([])).toBe(true);
    expect(forwardsToContainers([chain("forward", "drop")])).toBe(false);
    expect(forwardsToContainers([chain("forward", "accept"), rule("forward", oif, drop)])).toBe(false);
    expect(forwardsToContainers([chain("forward", "accept"), rule("forward", oif, accept)])).toBe(true);
    expect(forwardsToContainers([chain("forward", "accept"), rule("forward", dport([22]), oif, drop)])).toBe(true);
    expect(forwardsToContainers([chain("input", "drop"), rule("input", oif, drop)])).toBe(true);
  });
});
