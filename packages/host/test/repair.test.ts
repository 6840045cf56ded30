import { describe, expect, setDefaultTimeout, test } from "bun:test";
/**
 * Containers that end, and what killed commands leave: what repair does about it: each in the running kernel.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadBpf, openPinned } from "@dp/core";
import { mountBpffs } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { addServer, list, load, repair, status, unload } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(120_000);

const PORT = 25570;

const NOTHING = { removedServers: [], removed: [], repaired: [], remaining: [] };

describe("repair", () => {
  test("finds nothing to do where all is well", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container(), group: "games" });
    await addServer({ ...options, port: PORT + 1, netns: sandbox.container(), group: "games" });
    const before = sandbox.observe();
    expect(await repair({ ...options, dryRun: true })).toMatchObject(NOTHING);
    expect(await repair(options)).toMatchObject(NOTHING);
    expect(sandbox.observe()).toEqual(before);
    expect(sandbox.warnings).toEqual([]);
    expect(sandbox.leakedFds).toEqual([]);
    await unload({ ...options, force: true });
  });

  test("removes a server whose container ended, and nothing of another", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container() });
    const before = sandbox.observe();
    const mortal = sandbox.container();
    await addServer({ ...options, port: PORT + 1, netns: mortal, name: "mortal" });
    await sandbox.kill(mortal);

    const dryRun = await repair({ ...options, dryRun: true });
    expect(dryRun.removedServers).toMatchObject([{ name: "mortal", state: "gone" }]);
    expect(await list(options)).toHaveLength(2);
    expect((await repair(options)).removedServers).toMatchObject([{ name: "mortal" }]);
    expect(sandbox.observe()).toEqual(before);
    expect(await repair(options)).toMatchObject(NOTHING);
    await unload({ ...options, force: true });
  });

  test("removes what a killed first load left, and says nothing of what is not loaded", async () => {
    using sandbox = new Sandbox();
    const { options, pinRoot } = sandbox;
    mkdirSync(pinRoot);
    mountBpffs(pinRoot);
    const empty = sandbox.observe();
    expect(await repair(options)).toMatchObject(NOTHING);
    loadBpf({ pinRoot }).close();
    rmSync(join(pinRoot, "progs", "dp_snat"));
    expect(await status(options)).toMatchObject({ loaded: true, healthy: false });
    expect((await repair({ ...options, dryRun: true })).remaining.map(({ code }) => code)).toEqual(["pins-missing"]);
    expect((await repair(options)).removed.map(({ code }) => code)).toEqual(["load-unfinished"]);
    expect(sandbox.observe()).toEqual(empty);
    expect(await repair(options)).toMatchObject(NOTHING);
    expect(await status(options)).toMatchObject({ loaded: false, healthy: false, findings: [] });
  });

  test("gives each server counters of its own again", async () => {
    using sandbox = new Sandbox();
    const { options, pinRoot } = sandbox;
    await load(options);
    const first = await addServer({ ...options, port: PORT, netns: sandbox.container() });
    const second = await addServer({ ...options, port: PORT + 1, netns: sandbox.container() });
    const counterOf = (id: number) => {
      using objects = openPinned({ pinRoot });
      const counter = objects.records.get(id)?.forwards[0]?.counter ?? 0;
      expect(objects.counters.owner(counter)).toBe(id);
      expect(
        objects.endpoints.get({ protocol: "tcp", address: first.forwards[0]?.address ?? "", port: PORT + id - 1 }),
      ).toMatchObject({ server: id, counter });
      return counter;
    };
    const counter = counterOf(first.id);
    using objects = openPinned({ pinRoot });

    // The map says that another server has it.
    objects.counters.release(counter);
    objects.counters.claim(counter, second.id);
    expect((await load(options)).repaired.map(({ code }) => code)).toEqual(["missing-counter"]);
    expect(counterOf(first.id)).toBe(counter);

    // Another server got it.
    objects.counters.release(counter);
    const third = await addServer({ ...options, port: PORT + 2, netns: sandbox.container() });
    expect(counterOf(third.id)).toBe(counter);
    expect((await repair(options)).repaired.map(({ code }) => code)).toEqual(["missing-counter"]);
    expect(new Set([first, second, third].map(({ id }) => counterOf(id))).size).toBe(3);
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
    await unload({ ...options, force: true });
  });

  test("restores pins that were removed, and what is attached to them", async () => {
    using sandbox = new Sandbox();
    const { options, pinRoot } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container(), group: "games" });
    await addServer({ ...options, port: PORT + 1, netns: sandbox.container(), group: "others" });
    for (const pin of ["progs/dp_snat", "progs/dp_arp_dp1", "progs/dp_dnat_up0", "maps/dp_servers"]) {
      rmSync(join(pinRoot, pin));
    }
    expect(await status(options)).toMatchObject({ loaded: true, healthy: false });
    expect(await repair(options)).toMatchObject({ removedServers: [], removed: [], remaining: [] });
    expect(await status(options)).toMatchObject({ loaded: true, healthy: true, findings: [] });
    {
      using objects = openPinned({ pinRoot });
      expect(new Set(objects.servers.all().map(([, { group }]) => group)).size).toBe(2);
    }
    await unload({ ...options, force: true });
  });
});
