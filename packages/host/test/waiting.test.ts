/**
 * Changes that wait for another change, and the end of that wait.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { lockDirectory } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { addServer, type AgentEvent, list, load, runAgent, unload } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

test("a signal ends the wait for another change, with its reason, and changes nothing", async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  const netns = sandbox.container();
  const before = sandbox.observe();
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  {
    using _lock = await lockDirectory(join(sandbox.pinRoot, "progs"), 1000);
    const adding = addServer({ ...sandbox.options, port: "auto", netns, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    expect(await adding.catch((error: unknown) => error)).toBe(reason);
  }
  expect(await list(sandbox.options)).toEqual([]);
  expect(sandbox.observe()).toEqual(before);
  await unload(sandbox.options);
});

test("an agent that waits for another change ends when it is told to, and reports no failure", async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  const controller = new AbortController();
  const events: AgentEvent[] = [];
  {
    using _lock = await lockDirectory(join(sandbox.pinRoot, "progs"), 1000);
    const running = runAgent({ ...sandbox.options, signal: controller.signal, onEvent: (event) => events.push(event) });
    setTimeout(() => controller.abort(), 200);
    await running;
  }
  expect(events.map(({ event }) => event)).toEqual(["started"]);
  await unload(sandbox.options);
});
