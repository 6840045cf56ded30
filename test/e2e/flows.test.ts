/**
 * Flows: what the kernel remembers of what containers opened. How many there may be, how long they stay, whose they are:
 *
 *                           host: 9080, 9053, 9111
 *             ┌─────────────────────┼──────────────────┐
 *           lobby               survival            hoarder         opens more than it may
 *         10.2.0.1              10.2.0.2            10.2.0.3
 *
 * One world for all tests in here, since closed flows stay for half a minute: the last one waits for all their ends.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { listen, start, talk } from "./redirect/redirect.ts";
import { Internet } from "./topology/internet.ts";
import type { NetworkNamespace } from "./topology/namespace.ts";
import type { Event, Program } from "./topology/program.ts";
import { mapsUnder } from "./topology/state.ts";

const PORTS = { lobby: 25570, survival: 25571, hoarder: 25572 } as const;
type Name = keyof typeof PORTS;
const NAMES = Object.keys(PORTS) as Name[];

/** dp_max_flows. */
const MOST_FLOWS = 16_384;

interface Shown {
  readonly flows: number;
  readonly counters: { readonly drops: Readonly<Record<string, number>> };
}

let net: Internet;
/** A connection of each, open from the beginning to the end. */
let open: Program[];

beforeAll(async () => {
  net = await Internet.create({ containers: NAMES });
  await net.dp.must("load");
  for (const name of NAMES) await net.dp.addServer(PORTS[name], net.container(name), "--name", name);
  await listen(net.host, 9080, 9053, 9111);
  open = NAMES.map((name) => start(net.container(name), "chat", { to: ["192.0.2.1:22"], rounds: 1 }));
  await Promise.all(open.map((program) => program.event("chatted")));
});

afterAll(async () => {
  await net[Symbol.asyncDispose]();
});

const show = (name: Name) => net.dp.json<Shown>("show", "--port", `${PORTS[name]}`);
const wrong = (answers: readonly Event[]) => answers.filter(({ to, original }) => to !== original);

test("nothing is written about an established flow, whatever passes", async () => {
  const to = ["192.0.2.80:443"];
  await using chatting = start(net.container("lobby"), "chat", { to, rounds: 6000 });
  await chatting.event("answer");
  const [packets, maps] = [await packetsOf(net.host, "dp25570"), mapsUnder(net.dp.pinRoot)];
  await chatting.event("chatted");
  expect((await packetsOf(net.host, "dp25570")) - packets).toBeGreaterThan(10_000);
  for (const map of ["dp_flows", "dp_origins", "dp_veth_pairs"]) {
    expect(maps[map]).not.toBeEmpty();
    expect(mapsUnder(net.dp.pinRoot)[map]).toEqual(maps[map]);
  }
});

async function packetsOf(namespace: NetworkNamespace, iface: string): Promise<number> {
  const { stdout } = await namespace.run(["ip", "-s", "-j", "link", "show", iface]);
  const [link] = JSON.parse(stdout) as { stats64: { rx: { packets: number }; tx: { packets: number } } }[];
  return (link?.stats64.rx.packets ?? 0) + (link?.stats64.tx.packets ?? 0);
}

test("thousands of short connections all learn the right destination", async () => {
  const to = Array.from({ length: 50 }, (_, index) => `192.0.2.${index + 1}:${[80, 53, 443, 8443, 25][index % 5]}`);
  const ask = (name: Name) => talk(net.container(name), "ask", { to, times: 3000, together: 100 });
  for (const answers of await Promise.all([ask("lobby"), ask("survival")])) {
    expect(wrong(answers)).toEqual([]);
    expect(answers).toHaveLength(3000);
  }
  for (const name of ["lobby", "survival"] as const) {
    const { flows, counters } = await show(name);
    expect(flows).toBeGreaterThanOrEqual(3000);
    expect(counters.drops).toMatchObject({ flows: 0, noFlow: 0 });
  }
});

test("a container that opens more than it may has the rest dropped; others' flows open and go on", async () => {
  const before = (await show("hoarder")).flows;
  const tooMany = 100;
  await talk(net.container("hoarder"), "flood", { to: ["198.18.0.0:53"], times: MOST_FLOWS - before + tooMany });
  const { flows, counters } = await show("hoarder");
  expect(flows).toBe(MOST_FLOWS);
  expect(counters.drops["flows"]).toBe(tooMany);

  await using refused = start(net.container("hoarder"), "ask", { to: ["192.0.2.1:443"] });
  const dropped = async () => (await show("hoarder")).counters.drops["flows"] as number;
  while ((await dropped()) === tooMany) await Bun.sleep(50);
  const to = ["192.0.2.1:443", "192.0.2.2:80", "192.0.2.3:53"];
  for (const name of ["lobby", "survival"] as const) {
    const answers = await talk(net.container(name), "ask", { to, times: 300, together: 20 });
    expect(wrong(answers)).toEqual([]);
    expect(answers).toHaveLength(300);
    expect(await talk(net.container(name), "query", { to: ["192.0.2.53:53"] })).toHaveLength(1);
    expect((await show(name)).counters.drops["flows"]).toBe(0);
  }
  expect(refused.events).toEqual([]);
});

test("flows go when they are over, those of the hoarder as well, and only then", async () => {
  for (const name of NAMES) {
    while ((await show(name)).flows > 1) await Bun.sleep(250);
    expect((await show(name)).flows).toBe(1);
    const answers = await talk(net.container(name), "ask", { to: ["192.0.2.1:443"] });
    expect(answers).toMatchObject([{ original: "192.0.2.1:443" }]);
  }
  const { dp_flows: flows, dp_origins: origins } = mapsUnder(net.dp.pinRoot);
  expect([flows?.length, origins?.length]).toEqual([6, 6]);
  // What was open all the time still is.
  for (const program of open) await program.event("word", program.events.length + 1);
});
