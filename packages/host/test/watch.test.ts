/**
 * What is done by itself when something happens, in the running kernel.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { openPinned } from "@dp/core";
import { Link } from "@dp/core/libbpf";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { addServer, list, load, status, unload, watch, type WatchEvent, type WatchOptions } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;
/** For what takes a moment; a busy machine takes a longer one. */
const PATIENCE_MS = 60_000;

/** A watch over a sandbox, and what it said. */
class Watched implements AsyncDisposable {
  readonly events: WatchEvent[] = [];
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;

  constructor(sandbox: Sandbox, options: Partial<WatchOptions> = {}) {
    this.#ended = watch({
      ...sandbox.options,
      // Only what is heard counts.
      checkMs: 3_600_000,
      ...options,
      signal: this.#controller.signal,
      onEvent: (event) => void this.events.push(event),
    });
  }

  async until(name: WatchEvent["event"], matches: (event: WatchEvent) => boolean = () => true): Promise<WatchEvent> {
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
    await using watched = new Watched(sandbox);
    expect(await watched.until("watching")).toEqual({ event: "watching", pinRoot: sandbox.pinRoot });
    await sandbox.kill(mortal);
    expect(await watched.until("collected")).toMatchObject({ server: { port: PORT, name: "mortal" } });
    expect((await list(options)).map(({ name }) => name)).toEqual(["alive"]);

    run("ip", "link", "set", `dp${PORT + 1}`, "down");
    await watched.until("mended", (event) => "finding" in event && event.finding.code === "host-peer-down");
    await watched.until("mended", (event) => "finding" in event && event.finding.code === "route-missing");
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });

    const said = watched.events.length;
    await addServer({ ...options, port: PORT + 2, netns: sandbox.container(), name: "new" });
    await Bun.sleep(3000);
    expect(watched.events.slice(said)).toEqual([]);
  }
  expect(sandbox.leakedFds).toEqual([]);
  await unload({ ...options, force: true });
});

test("what only somebody else can put right is said once, and once more when it is right again", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  await addServer({ ...options, port: PORT, netns: sandbox.container(), address: "203.0.113.11" });
  {
    await using watched = new Watched(sandbox);
    await watched.until("watching");
    run("ip", "address", "delete", "203.0.113.11/24", "dev", "up0");
    await watched.until("found", (event) => "finding" in event && event.finding.code === "public-address-gone");
    run("ip", "address", "add", "203.0.113.99/24", "dev", "up0");
    await watched.until("mended", (event) => "finding" in event && event.finding.what.includes("203.0.113.99"));
    run("ip", "address", "add", "203.0.113.11/24", "dev", "up0");
    await watched.until("resolved");
    expect(watched.events.filter(({ event }) => event === "found")).toHaveLength(1);
  }
  await unload({ ...options, force: true });
});

test("what nobody announces is seen by looking", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  const [container, other] = [sandbox.container(), sandbox.container()];
  await addServer({ ...options, port: PORT, netns: container });
  {
    await using watched = new Watched(sandbox, { checkMs: 500 });
    await watched.until("watching");
    {
      using objects = openPinned({ pinRoot: sandbox.pinRoot });
      const pinned = objects.attachments().find(({ program }) => program === "snat");
      using link = Link.fromPin(pinned?.path ?? "");
      link.detach();
    }
    await watched.until("mended", (event) => "finding" in event && event.finding.code === "program-detached");

    run("ip", "-n", container, "link", "set", "eth0", "netns", other);
    await watched.until("found", (event) => "finding" in event && event.finding.code === "container-peer-moved");
    // A look that is not into the container says nothing of it.
    run("ip", "link", "set", "up0", "mtu", "1400");
    await Bun.sleep(1000);
    expect(watched.events.filter(({ event }) => event === "resolved")).toEqual([]);
  }
  await unload({ ...options, force: true });
});

test("announcements there was no room for do no harm: everything is looked at", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await load(options);
  await addServer({ ...options, port: PORT, netns: sandbox.container() });
  {
    await using watched = new Watched(sandbox, { room: 1 });
    await watched.until("watching");
    // Nothing else of this process runs meanwhile.
    for (let round = 0; round < 30; round++) run("ip", "link", "set", "up0", "mtu", `${1400 + round}`);
    run("ip", "link", "delete", `dp${PORT}`);
    await watched.until("overrun");
    await watched.until("collected");
  }
  await unload(options);
});

test("it waits while nothing is loaded, and goes on through unloading and loading", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  {
    await using watched = new Watched(sandbox);
    await watched.until("watching");
    await load(options);
    const mortal = sandbox.container();
    await addServer({ ...options, port: PORT, netns: mortal });
    await sandbox.kill(mortal);
    await watched.until("collected");
    await unload(options);
    await Bun.sleep(1000);
    expect(watched.events.filter(({ event }) => event === "failed" || event === "found")).toEqual([]);
  }
});
