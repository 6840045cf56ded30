/** `dp agent` as the compiled executable, on a host of its own. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { HostNamespace, requireExecutable, type Running } from "./support/host-namespace.ts";

requireExecutable();
setDefaultTimeout(240_000);

/** Waits for a line, and returns it. */
async function line(agent: Running, pattern: RegExp): Promise<string> {
  for (let tries = 0; tries < 5000; tries++) {
    const found = agent.lines.find((each) => pattern.test(each));
    if (found !== undefined) return found;
    await Bun.sleep(20);
  }
  throw new Error(`no line ${pattern} in\n${agent.stdout}${agent.stderr}`);
}

/** A server is repaired, then its container ends. */
async function disturb(host: HostNamespace, agent: Running, repaired: RegExp, removed: RegExp): Promise<string[]> {
  const namespace = new NetworkNamespace();
  {
    using _namespace = namespace;
    const added = await host.dp(["add-server", "--port", "25570", "--netns", namespace.name, "--name", "lobby"]);
    expect(added).toMatchObject({ code: 0, stderr: "" });
    await host.other(["ip", "link", "set", "dp1", "down"]);
    await line(agent, repaired);
  }
  await line(agent, removed);
  expect((await host.dp(["list", "--json"])).stdout).toBe("[]\n");
  agent.kill("SIGTERM");
  expect([await agent.ended(), agent.stderr]).toEqual([0, ""]);
  return agent.lines;
}

test("prints what it repairs and removes, until it is stopped", async () => {
  using host = new HostNamespace();
  await host.dp(["load"]);
  await using agent = host.start(["agent"]);
  const lines = await disturb(host, agent, / repaired server lobby \(id 1\): /, / removed server lobby \(id 1\)$/);
  for (const each of lines) expect(each).toMatch(/^\d{4}-\d\d-\d\dT[0-9:.]+Z [a-z]/);
  expect(lines[0]).toEndWith(` started for ${host.pinRoot}`);
  expect(lines.at(-1)).toEndWith(" stopped");
  expect((await host.dp(["unload"])).code).toBe(0);
});

test("with --json it prints a document on each line", async () => {
  using host = new HostNamespace();
  await host.dp(["load"]);
  await using agent = host.start(["--json", "agent"]);
  const lines = await disturb(host, agent, /"event":"repaired"/, /"event":"server-removed"/);
  const events = lines.map((each) => JSON.parse(each) as { event: string; time: string });
  for (const { time } of events) expect(new Date(time).toISOString()).toBe(time);
  expect(events[0]).toMatchObject({ event: "started", pinRoot: host.pinRoot });
  expect(events.find(({ event }) => event === "repaired")).toMatchObject({
    finding: { code: "host-peer-down", server: { id: 1, name: "lobby" } },
  });
  expect(events.find(({ event }) => event === "server-removed")).toMatchObject({ server: { id: 1, name: "lobby" } });
  expect(events.at(-1)).toMatchObject({ event: "stopped" });
  expect((await host.dp(["unload"])).code).toBe(0);
});
