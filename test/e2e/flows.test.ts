/**
 * Flows, which is what the kernel remembers of what containers opened: how many there may be, and how long they stay.
 *
 *                           host: 9080, 9053, 9111
 *             ┌─────────────────────┼──────────────────┐
 *           lobby               survival            hoarder         opens more than it may
 *         10.2.0.1              10.2.0.2            10.2.0.3
 *
 * One world for all tests in here, since closed flows stay for half a minute: the last one waits for all their ends.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Event, Program } from "@dp/test-kit/program.ts";
import { listen, start, talk } from "./redirect/redirect.ts";
import { Internet } from "./topology/internet.ts";
import { mapUnder } from "./topology/state.ts";

const PORTS = { lobby: 25570, survival: 25571, hoarder: 25572 } as const;
type Name = keyof typeof PORTS;
const NAMES = Object.keys(PORTS) as Name[];

/** dp_max_flows. */
const MOST_FLOWS = 16_384;

interface Shown {
  readonly flows: number;
  readonly drops: Readonly<Record<string, number>>;
}

let net: Internet;
let listener: Program;
/** A connection of each, open from the beginning to the end. */
let open: Program[];

beforeAll(async () => {
  net = await Internet.create({ containers: NAMES });
  await net.dp.must("load");
  for (const name of NAMES) await net.dp.addServer(PORTS[name], net.container(name), "--name", name);
  listener = await listen(net.host, 9080, 9053, 9111);
  open = NAMES.map((name) => start(net.container(name), "chat", { to: ["192.0.2.1:22"] }));
  await Promise.all(open.map((program) => program.event("word")));
});

afterAll(async () => {
  await net[Symbol.asyncDispose]();
});

const show = (name: Name) => net.dp.json<Shown>("show", `${PORTS[name]}`);
const wrong = (answers: readonly Event[]) => answers.filter(({ to, original }) => to !== original);

test("nothing is written about an established flow, whatever passes", async () => {
  const to = ["192.0.2.80:443"];
  // One packet for each segment, so that there are many.
  const features = { tso: false, gso: false, gro: false };
  await net.container("lobby").features("eth0", features);
  await net.host.features("dp1", features);
  await using chatting = start(net.container("lobby"), "chat", { to, bytes: 100_000 });
  await chatting.event("answer");
  const maps = () =>
    ["dp_flows", "dp_origins", "dp_flow_counts", "dp_containers"].map((name) => mapUnder(net.dp.pinRoot, name));
  const [packets, before] = [packetsOf(listener, "dp1"), maps()];
  expect(before.map((entries) => entries.length)).toEqual([4, 4, 3, 3]);
  while (packetsOf(listener, "dp1") - packets < 10_000) await Bun.sleep(50);
  expect(maps()).toEqual(before);
});

/** How many have passed an interface so far, both ways, in the namespace that a program is in. */
function packetsOf(program: Program, iface: string): number {
  const line = readFileSync(`/proc/${program.pid}/net/dev`, "utf8")
    .split("\n")
    .find((line) => line.includes(`${iface}:`));
  const [, , received, , , , , , , , sent] = (line ?? "").trim().split(/\s+/);
  return Number(received) + Number(sent);
}

test("thousands of short connections all learn the right destination", async () => {
  const to = Array.from({ length: 50 }, (_, index) => `192.0.2.${index + 1}:${[80, 53, 443, 8443, 25][index % 5]}`);
  const ask = (name: Name) => talk(net.container(name), "ask", { to, times: 3000, together: 100 });
  for (const answers of await Promise.all([ask("lobby"), ask("survival")])) {
    expect(wrong(answers)).toEqual([]);
    expect(answers).toHaveLength(3000);
  }
  for (const name of ["lobby", "survival"] as const) {
    const { flows, drops } = await show(name);
    // A port that is used again, to where it was used before, goes on with that flow.
    expect(flows).toBeGreaterThan(2500);
    expect(drops).toMatchObject({ flows: 0, noFlow: 0 });
  }
});

test("a container that opens more than it may has the rest dropped; others' flows open and go on", async () => {
  const before = (await show("hoarder")).flows;
  const tooMany = 100;
  await talk(net.container("hoarder"), "flood", { to: ["198.18.0.0:53"], times: MOST_FLOWS - before + tooMany });
  const { flows, drops } = await show("hoarder");
  expect(flows).toBe(MOST_FLOWS);
  expect(drops["flows"]).toBe(tooMany);

  await using refused = start(net.container("hoarder"), "ask", { to: ["192.0.2.1:443"] });
  const dropped = async () => (await show("hoarder")).drops["flows"] as number;
  while ((await dropped()) === tooMany) await Bun.sleep(50);
  const to = ["192.0.2.1:443", "192.0.2.2:80", "192.0.2.3:53"];
  for (const name of ["lobby", "survival"] as const) {
    const answers = await talk(net.container(name), "ask", { to, times: 300, together: 20 });
    expect(wrong(answers)).toEqual([]);
    expect(answers).toHaveLength(300);
    expect(await talk(net.container(name), "query", { to: ["192.0.2.53:53"] })).toHaveLength(1);
    expect((await show(name)).drops["flows"]).toBe(0);
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
  for (const map of ["dp_flows", "dp_origins"]) expect(mapUnder(net.dp.pinRoot, map)).toHaveLength(6);
  // What was open all the time still is.
  for (const program of open) await program.event("word", program.events.length + 1);
});
