/**
 * Changes that wait for another one, and callers who no longer want to.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { lockDirectory } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { addServer, list, load, unload, watch, type WatchEvent } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

test("a signal ends the wait for another change, with its reason, and nothing was changed", async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  const netns = sandbox.container();
  const before = sandbox.observe();
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  {
    using _lock = await lockDirectory(sandbox.pinRoot, 1000);
    const adding = addServer({ ...sandbox.options, port: "auto", netns, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    expect(await adding.catch((error: unknown) => error)).toBe(reason);
  }
  expect(await list(sandbox.options)).toEqual([]);
  expect(sandbox.observe()).toEqual(before);
  await unload(sandbox.options);
});

test("a watch that waits for another change ends when it is told to, and does not call that a failure", async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  const controller = new AbortController();
  const events: WatchEvent[] = [];
  {
    using _lock = await lockDirectory(sandbox.pinRoot, 1000);
    const watching = watch({ ...sandbox.options, signal: controller.signal, onEvent: (event) => events.push(event) });
    setTimeout(() => controller.abort(), 200);
    await watching;
  }
  expect(events.map(({ event }) => event)).toEqual(["watching"]);
  await unload(sandbox.options);
});
