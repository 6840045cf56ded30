/**
 * What dies or is left half done, and what collects it: each in the running kernel.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { addServer, gc, list, load, unload } from "../src/index.ts";
import { requireRoot, Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;

const NOTHING = { collected: [], removed: [], mended: [], remaining: [] };

describe("gc", () => {
  test("finds nothing to do where all is well", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container(), group: "games" });
    await addServer({ ...options, port: PORT + 1, netns: sandbox.container(), group: "games" });
    const before = sandbox.observe();
    expect(await gc({ ...options, dryRun: true })).toMatchObject(NOTHING);
    expect(await gc(options)).toMatchObject(NOTHING);
    expect(sandbox.observe()).toEqual(before);
    expect(sandbox.warnings).toEqual([]);
    expect(sandbox.leakedFds).toEqual([]);
    await unload({ ...options, force: true });
  });

  test("takes out a server whose container died, and nothing of another", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container() });
    const before = sandbox.observe();
    const mortal = sandbox.container();
    await addServer({ ...options, port: PORT + 1, netns: mortal, name: "mortal" });
    await sandbox.kill(mortal);

    const dryRun = await gc({ ...options, dryRun: true });
    expect(dryRun.collected).toMatchObject([{ port: PORT + 1, name: "mortal", state: "gone" }]);
    expect(await list(options)).toHaveLength(2);
    expect((await gc(options)).collected).toMatchObject([{ port: PORT + 1 }]);
    expect(sandbox.observe()).toEqual(before);
    expect(await gc(options)).toMatchObject(NOTHING);
    await unload({ ...options, force: true });
  });
});
