/**
 * What the agent does when something happens, in the running kernel.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { openPinned } from "@dp/core";
import { Link } from "@dp/core/libbpf";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { addServer, type AgentEvent, type AgentOptions, list, load, runAgent, status, unload } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;
/** For what takes a moment; a busy machine takes a longer one. */
const PATIENCE_MS = 60_000;

/** An agent in a sandbox, and its events. */
class RunningAgent implements AsyncDisposable {
  readonly events: AgentEvent[] = [];
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;

  constructor(sandbox: Sandbox, options: Partial<AgentOptions> = {}) {
    this.#ended = runAgent({
      ...sandbox.options,
      // Only what is heard counts.
      checkMs: 3_600_000,
      ...options,
      signal: this.#controller.signal,
      onEvent: (event) => void this.events.push(event),
    });
  }

  async until(name: AgentEvent["event"], matches: (event: AgentEvent) => boolean = () => true): Promise<AgentEvent> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = this.events.find((event) => event.event === name && matches(event));
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`nothing was ${name}: ${JSON.stringify(this.events)}`);
      await Bun.sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }
}

test("a container that dies is collected, an interface that is shut is opened; then nothing more is done", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  const mortal = sandbox.container();
  await addServer({ ...options, port: PORT, netns: mortal, name: "mortal" });
  await addServer({ ...options, port: PORT + 1, netns: sandbox.container(), name: "alive" });
  {
    await using agent = new RunningAgent(sandbox);
    expect(await agent.until("started")).toEqual({ event: "started", pinRoot: sandbox.pinRoot });
    await sandbox.kill(mortal);
    expect(await agent.until("server-removed")).toMatchObject({ server: { name: "mortal" } });
    expect((await list(options)).map(({ name }) => name)).toEqual(["alive"]);

    run("ip", "link", "set", "dp2", "down");
    await agent.until("repaired", (event) => "finding" in event && event.finding.code === "host-peer-down");
    await agent.until("repaired", (event) => "finding" in event && event.finding.code === "missing-route");
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });

    const said = agent.events.length;
    await addServer({ ...options, port: PORT + 2, netns: sandbox.container(), name: "new" });
    await Bun.sleep(3000);
    expect(agent.events.slice(said)).toEqual([]);
  }
  expect(sandbox.leakedFds).toEqual([]);
  await unload({ ...options, force: true });
});

test("what the operator has to put right is reported once, and once more when it is right again", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  await addServer({ ...options, port: PORT, netns: sandbox.container(), address: "203.0.113.11" });
  {
    await using agent = new RunningAgent(sandbox);
    await agent.until("started");
    run("ip", "address", "delete", "203.0.113.11/24", "dev", "up0");
    await agent.until("found", (event) => "finding" in event && event.finding.code === "public-address-gone");
    run("ip", "address", "add", "203.0.113.99/24", "dev", "up0");
    await agent.until("repaired", (event) => "finding" in event && event.finding.what.includes("203.0.113.99"));
    run("ip", "address", "add", "203.0.113.11/24", "dev", "up0");
    await agent.until("resolved");
    expect(agent.events.filter(({ event }) => event === "found")).toHaveLength(1);
  }
  await unload({ ...options, force: true });
});

test("what the kernel does not report is found by the regular check", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  const [container, other] = [sandbox.container(), sandbox.container()];
  await addServer({ ...options, port: PORT, netns: container });
  {
    await using agent = new RunningAgent(sandbox, { checkMs: 500 });
    await agent.until("started");
    {
      using objects = openPinned({ pinRoot: sandbox.pinRoot });
      const pinned = objects.attachments.all().find(({ program }) => program === "snat");
      using link = Link.fromPin(pinned?.path ?? "");
      link.detach();
    }
    await agent.until("repaired", (event) => "finding" in event && event.finding.code === "program-detached");

    run("ip", "-n", container, "link", "set", "eth0", "netns", other);
    await agent.until("found", (event) => "finding" in event && event.finding.code === "container-peer-moved");
    // A look that is not into the container says nothing of it.
    run("ip", "link", "set", "up0", "mtu", "1400");
    await Bun.sleep(1000);
    expect(agent.events.filter(({ event }) => event === "resolved")).toEqual([]);
  }
  await unload({ ...options, force: true });
});

test("notifications without room do no harm: everything is checked", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  await addServer({ ...options, port: PORT, netns: sandbox.container() });
  {
    await using agent = new RunningAgent(sandbox, { room: 1 });
    await agent.until("started");
    // Nothing else of this process runs meanwhile.
    for (let round = 0; round < 30; round++) run("ip", "link", "set", "up0", "mtu", `${1400 + round}`);
    run("ip", "link", "delete", "dp1");
    await agent.until("overrun");
    await agent.until("server-removed");
  }
  await unload(options);
});

test("it waits while nothing is loaded, and goes on through unloading and loading", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  {
    await using agent = new RunningAgent(sandbox);
    await agent.until("started");
    await load(options);
    const mortal = sandbox.container();
    await addServer({ ...options, port: PORT, netns: mortal });
    await sandbox.kill(mortal);
    await agent.until("server-removed");
    await unload(options);
    await Bun.sleep(1000);
    expect(agent.events.filter(({ event }) => event === "failed" || event === "found")).toEqual([]);
  }
});
