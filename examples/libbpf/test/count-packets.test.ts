/**
 * count-packets on one end of a veth pair, whose other end is in another network namespace:
 *
 *   this namespace                         peer
 *   ex0 10.99.0.1  <-------------------->  ex1 10.99.0.2
 *
 * 25 datagrams go to a port without a listener, and as many refusals by ICMP come back, as far as the kernel sends
 * them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { interfaceIndex, queryClsact, queryTcx } from "@dp/core/libbpf";
import { Example, type Runtime } from "./example.ts";

const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
const EXAMPLE = join(import.meta.dirname, "..");
const DATAGRAMS = 25;

beforeAll(() => {
  if (process.getuid?.() !== 0 || process.env["SANDBOX"] === undefined)
    throw new Error("run it by tools/sandbox, as root");
  ip("netns", "add", "peer");
  ip("link", "add", "ex0", "type", "veth", "peer", "name", "ex1", "netns", "peer");
  ip("addr", "add", "10.99.0.1/24", "dev", "ex0");
  ip("link", "set", "ex0", "up");
  ip("-n", "peer", "addr", "add", "10.99.0.2/24", "dev", "ex1");
  ip("-n", "peer", "link", "set", "ex1", "up");
});

afterAll(() => {
  ip("link", "del", "ex0");
  ip("netns", "del", "peer");
});

/** One socket each: the refusal of one must not be the next one's error. */
function send(): void {
  execFileSync("bash", ["-c", `for i in {1..${DATAGRAMS}}; do echo x > /dev/udp/10.99.0.2/9; done`]);
}

interface Counts {
  received: Record<string, number>;
  sent: Record<string, number>;
}

/** Reads what it prints until it has counted all datagrams. */
async function counted(example: Example): Promise<Counts> {
  for (;;) {
    const counts = JSON.parse(await example.line()) as Counts;
    if ((counts.sent["udp"] ?? 0) >= DATAGRAMS) return counts;
  }
}

const onTheHook = {
  tcx: (ifindex: number) => queryTcx(ifindex, "ingress").entries.length + queryTcx(ifindex, "egress").entries.length,
  clsact: (ifindex: number) =>
    (["ingress", "egress"] as const).filter(
      (direction) => queryClsact({ ifindex, direction, priority: 40_000, handle: 0xc0 }) !== undefined,
    ).length,
};

const CASES: [Runtime, "tcx" | "clsact"][] = [
  ["bun", "tcx"],
  ["node", "clsact"],
  ["node", "tcx"],
];

describe("count-packets", () => {
  for (const [runtime, mechanism] of CASES) {
    test(`counts by protocol, by ${mechanism} under ${runtime}, and leaves nothing on the interface`, async () => {
      const ifindex = interfaceIndex("ex0");
      await using example = await Example.start(
        runtime,
        "count-packets",
        "ex0",
        ...(mechanism === "clsact" ? ["--clsact"] : []),
      );
      expect(example.greeting).toContain(`counting the packets of ex0 (${mechanism})`);
      expect(onTheHook[mechanism](ifindex)).toBe(2);
      send();
      const { received, sent } = await counted(example);
      expect(sent["udp"]).toBe(DATAGRAMS);
      expect(received["icmp"] ?? 0).toBeGreaterThan(0);
      expect(received["udp"]).toBeUndefined();
      const [last] = (await example.stop()).slice(-1);
      expect((JSON.parse(last ?? "") as Counts).sent["udp"]).toBe(DATAGRAMS);
      expect(onTheHook[mechanism](ifindex)).toBe(0);
      expect(execFileSync("tc", ["qdisc", "show", "dev", "ex0"], { encoding: "utf8" })).not.toContain("clsact");
    });
  }

  test("counts when it is one file, somewhere else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "one-file-"));
    const file = join(folder, "count-packets");
    execFileSync(process.execPath, ["compile.ts", "src/count-packets.ts", file], { cwd: EXAMPLE });
    await using example = await Example.run(file, "ex0");
    send();
    expect((await counted(example)).sent["udp"]).toBe(DATAGRAMS);
    rmSync(folder, { recursive: true });
  });

  test("a killed one leaves no link", async () => {
    const ifindex = interfaceIndex("ex0");
    await using example = await Example.start("bun", "count-packets", "ex0");
    expect(onTheHook.tcx(ifindex)).toBe(2);
    await example.kill();
    // The kernel closes what it had in its own time.
    while (onTheHook.tcx(ifindex) > 0) await Bun.sleep(10);
  });

  test("says which interface there is none of", async () => {
    const failed = Example.start("node", "count-packets", "none");
    expect(failed).rejects.toThrow("find interface none: nothing has this name in this network namespace");
    await failed.catch(() => {});
  });
});
