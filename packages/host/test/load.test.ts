/**
 * The stages of a load: nothing is changed before the plan is complete, and what cannot be undone is changed last.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { Netlink } from "@dp/netlink";
import { DatapathError, unmount } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { addServer, load, unload } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

const STRAY = "dp1";

/** A host whose bpffs was unmounted under a server: its host peer is left, with an address of the host subnet. */
async function withStray(sandbox: Sandbox): Promise<void> {
  await load({ ...sandbox.options, mechanism: "tcx" });
  await addServer({ ...sandbox.options, port: 25570, netns: sandbox.container() });
  unmount(sandbox.pinRoot);
  expect(isThere()).toBe(true);
}

function isThere(): boolean {
  using host = Netlink.open();
  return host.link(STRAY) !== undefined;
}

test("a load that is refused deletes no interface", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await withStray(sandbox);
  const before = sandbox.observe();
  for (const refused of [{ ifaces: ["nope0"] }, { containerSubnet: "203.0.113.0/24" }, { hostSubnet: "10.2.0.0/16" }]) {
    const error = await load({ ...options, ...refused }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DatapathError);
    expect((error as DatapathError).code).toBe("BAD_USAGE");
    expect(sandbox.observe()).toEqual(before);
  }
  expect(sandbox.warnings).toEqual([]);
});

test("a load plans for the host without stray interfaces, and deletes them once all else is done", async () => {
  using sandbox = new Sandbox();
  const { options } = sandbox;
  await withStray(sandbox);
  const before = sandbox.observe();
  const steps: string[] = [];
  const failAt = (at: number) => (step: string) => {
    steps.push(step);
    if (steps.length > at) throw new DatapathError("FAILED", step, "injected");
  };
  const isDone = (at: number) =>
    load({ ...options, onStep: failAt(at) })
      .then(() => true)
      .catch(() => false);
  for (let at = 0; !(await isDone(at)); at++) {
    expect([steps.at(-1), sandbox.observe()]).toEqual([steps.at(-1), before]);
    steps.length = 0;
  }
  // Its deletion is the step that failed last: that is a warning.
  expect(steps).toEqual(expect.arrayContaining(["configuration", `delete ${STRAY}`]));
  expect(steps.indexOf("configuration")).toBeLessThan(steps.indexOf(`delete ${STRAY}`));
  expect(isThere()).toBe(true);
  expect(sandbox.warnings.at(-1)).toContain("injected");

  sandbox.warnings.length = 0;
  expect(await load(options)).toMatchObject({ upgraded: true, remaining: [] });
  expect(isThere()).toBe(false);
  expect(sandbox.warnings).toEqual([expect.stringContaining(`removed: interface ${STRAY}:`)]);
  await unload(options);
});
