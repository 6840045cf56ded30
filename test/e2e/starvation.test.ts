/**
 * 16 hostile containers among 20: whatever they send, at the rate that one CPU can, another container gets all its
 * queries answered and all its connections made.
 *
 *      192.0.2.53 a resolver   192.0.2.7:7000 a server
 *            └────── internet ─────┘
 *                       │
 *                      host  dp proxy
 *        ┌──────────────┼────────────────────┐
 *     victim      bystander1..3       hostile1..16
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Event, Program } from "@dp/test-kit/program.ts";
import { DP } from "./topology/dp.ts";
import { Internet, PUBLIC_ADDRESS } from "./topology/internet.ts";
import { serve } from "./traffic/traffic.ts";

const HOSTILE = Array.from({ length: 16 }, (_, index) => `hostile${index + 1}`);
const NAMES = ["victim", "bystander1", "bystander2", "bystander3", ...HOSTILE];
const KINDS = ["connections", "queries", "listener", "datagrams", "repeated"] as const;
const COUNT = 200;
const [RESOLVER, SERVER, PORT] = ["192.0.2.53", "192.0.2.7", 7000] as const;

const script = (name: string, ...args: readonly string[]) => ["bun", join(import.meta.dirname, name), ...args];

let net: Internet;
let proxy: Program;
let quiet: Event;

beforeAll(async () => {
  net = await Internet.create({ containers: NAMES });
  for (const address of [RESOLVER, SERVER]) await net.router.ip(`address add ${address}/32 dev lo`);
  await net.dp.must("load");
  for (const [index, name] of NAMES.entries()) {
    await net.dp.addServer(25_570 + index, net.container(name), "--name", name);
  }
  await serve(net.router, PORT);
  // It tells of each query: without a reader, so that telling is no part of what is measured.
  const resolver = script("internet/resolver.ts", RESOLVER, "www.example.test=192.0.2.80");
  net.router.spawn(["sh", "-c", 'exec "$@" >/dev/null', "sh", ...resolver]);
  while ((await net.router.run(["ss", "-Hlnu", "sport = :53"])).stdout === "") await Bun.sleep(20);
  proxy = net.host.spawn(["env", `DP_PIN_ROOT=${net.dp.pinRoot}`, DP, "proxy", "--json", "--dns", RESOLVER]);
  await proxy.event("listening");
  quiet = await measure();
});

afterAll(async () => {
  await net[Symbol.asyncDispose]();
});

async function measure(): Promise<Event> {
  await using program = net
    .container("victim")
    .spawn(script("starvation/measure.ts", `${COUNT}`, RESOLVER, `${SERVER}:${PORT}`));
  return await program.event("measured");
}

test("without an attack, all queries are answered and all connections made", () => {
  expect(quiet).toMatchObject({ queries: COUNT, connections: COUNT });
});

for (const kind of KINDS) {
  test(`while 16 containers flood with ${kind}, another gets all it asks for`, async () => {
    const paths = HOSTILE.map((name) => net.container(name).path);
    await using flood = net.host.spawn(["nice", ...script("starvation/hostile.ts", kind, ...paths)]);
    await flood.event("flooding");
    const measured = await measure();
    if (process.env["DP_SHOW"]) console.log(kind, JSON.stringify({ quiet, measured }));
    expect(measured).toMatchObject({ queries: COUNT, connections: COUNT });
  });
}

test("from the internet, the listeners are closed: a flood with a container's source is not served", async () => {
  const drops = await net.dp.json<{ drops: Record<string, number> }>("show", "hostile1");
  // What each of the floods above ran into.
  expect(drops.drops).toMatchObject({
    tcp: expect.any(Number) as number,
    udp: expect.any(Number) as number,
    rate: expect.any(Number) as number,
  });
  const [connections, queries] = [`${PUBLIC_ADDRESS}:9111`, `${PUBLIC_ADDRESS}:9080`];
  await using attempt = net.player().spawn(script("egress/attempt.ts", connections, queries));
  expect((await attempt.event("attempted"))["outcomes"]).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
});
