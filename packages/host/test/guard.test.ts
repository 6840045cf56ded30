/** The guard: it is noticed when it is gone, and where the kernel has no such programs, a rule of nftables is used. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Link, pinnedKind } from "@dp/core/libbpf";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { addServer, type AgentEvent, load, repair, runAgent, status, unload } from "../src/index.ts";
import { deleteGuardRule, guardRule, hasGuardRule, PASSED, setGuardRule } from "../src/kernel/guard-rule.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox[Symbol.dispose]());

async function codes(): Promise<string[]> {
  return (await status(sandbox.options)).findings.map(({ code }) => code);
}

function pins(): string[] {
  return readdirSync(join(sandbox.pinRoot, "progs")).map((name) => join(sandbox.pinRoot, "progs", name));
}

describe("programs that were taken off", () => {
  test("each link that is pinned is missed when it is detached, and repair attaches it again", async () => {
    const container = sandbox.container();
    await load(sandbox.options);
    await addServer({ ...sandbox.options, port: 25570, netns: container });
    const links = pins().filter((path) => pinnedKind(path) === "link");
    expect(links.length).toBeGreaterThanOrEqual(9);
    for (const path of links) {
      using link = Link.fromPin(path);
      link.detach();
      expect([path, (await status(sandbox.options)).healthy]).toEqual([path, false]);
      expect(await repair(sandbox.options)).toMatchObject({ remaining: [], removedServers: [] });
      expect([path, await codes()]).toEqual([path, []]);
    }
    await unload({ ...sandbox.options, force: true });
  });

  test.each(["dp_guard_ipv4", "dp_guard_ipv6"])("the pin %s is removed, and the program with it", async (name) => {
    await load(sandbox.options);
    unlinkSync(join(sandbox.pinRoot, "progs", name));
    expect(await codes()).toEqual(["guard-detached"]);
    expect((await repair(sandbox.options)).repaired.map(({ code }) => code)).toEqual(["guard-detached"]);
    expect(await codes()).toEqual([]);
    await unload(sandbox.options);
  });

  test("the agent attaches the guard again", async () => {
    await load(sandbox.options);
    const events: AgentEvent[] = [];
    const controller = new AbortController();
    const onEvent = (event: AgentEvent) => events.push(event);
    const agent = runAgent({ ...sandbox.options, signal: controller.signal, checkMs: 100, onEvent });
    {
      using link = Link.fromPin(join(sandbox.pinRoot, "progs/dp_guard_ipv4"));
      link.detach();
    }
    while (!events.some(({ event }) => event === "repaired")) await Bun.sleep(20);
    controller.abort();
    await agent;
    expect(await codes()).toEqual([]);
    await unload(sandbox.options);
  });
});

/** The object file of a program that marks as dp_snat does. */
function marking(): string {
  const folder = mkdtempSync(join(tmpdir(), "guard-"));
  const [source, object] = [join(folder, "mark.c"), join(folder, "mark.o")];
  writeFileSync(
    source,
    `#include <linux/bpf.h>
     __attribute__((section("tc"), used)) int mark(struct __sk_buff *skb) { skb->priority = ${PASSED}; return 0; }
     char _license[] __attribute__((section("license"), used)) = "GPL";`,
  );
  const headers = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  run("clang", "-O2", "-g", "-target", "bpf", headers, "-c", source, "-o", object);
  return object;
}

describe("the rule of nftables", () => {
  test("knows the mark of dp_snat", () => {
    const header = readFileSync(join(import.meta.dir, "../../../bpf/lib/passed.h"), "utf8");
    expect(header).toContain(`#define DP_PASSED 0x${PASSED.toString(16)}`);
  });

  test("drops what comes from a host peer unmarked, and nothing else; goes when it is deleted", () => {
    const container = sandbox.container();
    run("ip", "link", "add", "dp1", "type", "veth", "peer", "name", "eth0", "netns", container);
    run("ip", "link", "add", "dpx", "type", "veth", "peer", "name", "eth1", "netns", container);
    run("ip", "address", "add", "10.1.0.1/24", "dev", "dp1");
    run("ip", "address", "add", "10.9.0.1/24", "dev", "dpx");
    run("ip", "-n", container, "address", "add", "10.1.0.2/24", "dev", "eth0");
    run("ip", "-n", container, "address", "add", "10.9.0.2/24", "dev", "eth1");
    for (const name of ["dp1", "dpx"]) run("ip", "link", "set", name, "up");
    for (const name of ["eth0", "eth1"]) run("ip", "-n", container, "link", "set", name, "up");
    // A closed port: the host's reset says that the packet was delivered.
    const answered = (address: string) => {
      const knock = ["timeout", "1", "bash", "-c", `exec 3<>/dev/tcp/${address}/9`];
      return spawnSync("nsenter", [`--net=/run/netns/${container}`, ...knock]).status === 1;
    };
    expect([answered("10.1.0.1"), answered("10.9.0.1")]).toEqual([true, true]);
    setGuardRule(sandbox.pinRoot);
    expect(run("nft", "list", "ruleset")).toContain("priority -2000000000");
    expect([answered("10.1.0.1"), answered("10.9.0.1")]).toEqual([false, true]);
    // What dp_snat let through: marked at the ingress of the host peer.
    run("tc", "qdisc", "add", "dev", "dp1", "clsact");
    run(
      "tc",
      "filter",
      "add",
      "dev",
      "dp1",
      "ingress",
      "bpf",
      "direct-action",
      "object-file",
      marking(),
      "section",
      "tc",
    );
    expect(answered("10.1.0.1")).toBe(true);
    run("tc", "qdisc", "delete", "dev", "dp1", "clsact");
    expect(answered("10.1.0.1")).toBe(false);
    expect(deleteGuardRule(sandbox.pinRoot)).toBe(true);
    expect(deleteGuardRule(sandbox.pinRoot)).toBe(false);
    expect(answered("10.1.0.1")).toBe(true);
  });

  test.each([
    ["dormant", (table: string) => run("nft", `add table inet ${table} { flags dormant; }`)],
    ["without its rule", (table: string) => run("nft", "flush", "table", "inet", table)],
    ["deleted", (table: string) => run("nft", "delete", "table", "inet", table)],
    [
      "behind a rule that accepts all",
      (table: string) => run("nft", "insert", "rule", "inet", table, "prerouting", "accept"),
    ],
  ])("is missed when it is %s, and set again", (_, change) => {
    const { table } = guardRule(sandbox.pinRoot);
    expect(hasGuardRule(sandbox.pinRoot)).toBe(false);
    setGuardRule(sandbox.pinRoot);
    expect(hasGuardRule(sandbox.pinRoot)).toBe(true);
    change(table);
    expect(hasGuardRule(sandbox.pinRoot)).toBe(false);
    setGuardRule(sandbox.pinRoot);
    expect(hasGuardRule(sandbox.pinRoot)).toBe(true);
    expect(run("nft", "list", "ruleset").match(/table inet datapath/g)).toHaveLength(1);
  });

  test("is removed by a load that attaches dp_guard, and by unload", async () => {
    setGuardRule(sandbox.pinRoot);
    await load(sandbox.options);
    expect(hasGuardRule(sandbox.pinRoot)).toBe(false);
    setGuardRule(sandbox.pinRoot);
    await unload(sandbox.options);
    expect(run("nft", "list", "ruleset")).toBe("");
  });
});
