/**
 * Upgrades at noon: other builds of `dp` take over, under traffic of players, and of the container's own through the
 * proxy of the first build, which stays.
 *
 *     player ══ 50 streams, 200 new connections a second ══► internet ── host ── container :25565
 *     neighbour :4000 ◄══ dp proxy ◄══ 10 streams, 20 new connections a second ══════╝
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { must, type Program } from "@dp/test-kit/program.ts";
import { attached } from "./topology/attached.ts";
import { Build, type Changes } from "./topology/build.ts";
import type { Dp } from "./topology/dp.ts";
import { Internet, NEIGHBOUR_ADDRESS } from "./topology/internet.ts";
import { MECHANISM } from "./topology/mechanism.ts";
import { Crowd, serve } from "./traffic/traffic.ts";

setDefaultTimeout(180_000);

/** What a later version may be: more fields, some of them in front of others, more reasons to drop. */
const NEXT_LAYOUT: Changes = {
  "bpf/maps/layout.h": [["DP_LAYOUT_VERSION = 2,", "DP_LAYOUT_VERSION = 3,"]],
  "bpf/maps/endpoints.h": [["struct dp_endpoint {\n", "struct dp_endpoint {\n\t__u32 since;\n"]],
  "bpf/maps/servers.h": [
    ["struct dp_server {\n", "struct dp_server {\n\t__u64 since;\n"],
    ["\t__u32 host_peer; /* ifindex", "\t__u32 limit;\n\t__u32 host_peer; /* ifindex"],
  ],
  "bpf/maps/control.h": [["\t__u32 state; /* enum", "\t__u32 priority;\n\t__u32 pad1;\n\t__u32 state; /* enum"]],
  "bpf/maps/flows.h": [
    ["\t__be16 listener; /* the proxy's port */", "\t__be16 listener;\n\t__u32 mark;"],
    ["struct dp_origin {\n", "struct dp_origin {\n\t__u64 since;\n"],
  ],
  "bpf/maps/traffic.h": [["struct dp_forward_traffic {\n", "struct dp_forward_traffic {\n\t__u64 last_seen;\n"]],
  "bpf/maps/drop_reason.h": [["DP_DROP_MAX = 32", "DP_DROP_MAX = 40"]],
  "packages/core/src/objects/stores/endpoints.ts": [
    [
      "    server: entry.server,\n    counter: entry.counter,\n    container:",
      "    since: 5,\n    server: entry.server,\n    counter: entry.counter,\n    container:",
    ],
  ],
  "packages/core/src/objects/stores/server-entries.ts": [
    [
      "    netnsCookie: entry.netnsCookie,\n    addr:",
      "    since: 5n,\n    netnsCookie: entry.netnsCookie,\n    addr:",
    ],
  ],
  "packages/core/src/objects/stores/counters.ts": [["= { in: {", "= { lastSeen: 0n, in: {"]],
  "packages/core/src/objects/stores/containers.ts": [
    ["this.#map.set(address, entry);", "this.#map.set(address, { limit: 5, ...entry });"],
  ],
  "packages/core/src/objects/stores/server-record.ts": [
    ["    state: DpServerState[record.state],", "    priority: 5,\n    state: DpServerState[record.state],"],
  ],
  "packages/cli/package.json": [['"version": "', '"version": "2.']],
};

/** Those that have another layout then. */
const MIGRATED = [
  "dp_containers",
  "dp_drop_counts",
  "dp_endpoints",
  "dp_flows",
  "dp_origins",
  "dp_records",
  "dp_servers",
  "dp_traffic",
];

/** The same maps, other code. */
const OTHER_CODE: Changes = {
  "bpf/lib/flow.h": [["#define DP_PORT_TRIES 16", "#define DP_PORT_TRIES 17"]],
};

interface LoadResult {
  upgraded: boolean;
  servers: number;
  programs: { name: string; id: number; tag: string }[];
  migrated: string[];
}

let next: Build;
let other: Build;

beforeAll(async () => {
  [next, other] = [await Build.create(NEXT_LAYOUT), await Build.create(OTHER_CODE)];
});

afterAll(() => {
  next?.[Symbol.dispose]();
  other?.[Symbol.dispose]();
});

interface World extends AsyncDisposable {
  net: Internet;
  players: Crowd;
  servers: Crowd;
}

/** The topology, with everything in it under way. */
async function world(): Promise<World> {
  await using made = new AsyncDisposableStack();
  const net = made.use(await Internet.create({ neighbour: true, containers: ["container", "later"] }));
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container(), "--name", "lobby");
  await serve(net.container());
  const neighbour = net.neighbour as NonNullable<Internet["neighbour"]>;
  await serve(neighbour, 4000);
  await proxy(net);
  const players = made.use(await Crowd.start(net.player(), { port: 25570 }, { streams: 50, perSecond: 200 }));
  const target = { address: NEIGHBOUR_ADDRESS, port: 4000 };
  const servers = made.use(await Crowd.start(net.container(), target, { streams: 10, perSecond: 20 }));
  const rest = made.move();
  return { net, players, servers, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** `dp proxy` of this build, for as long as the host is there. */
async function proxy(net: Internet): Promise<Program> {
  const program = net.host.spawn(net.dp.command("proxy", "--allow", `${NEIGHBOUR_ADDRESS}:4000`));
  await program.printed(" listening: ");
  return program;
}

/** Every program that is attached is one of those that were just loaded, and all of these are attached. */
async function expectAttached(dp: Dp, { programs }: LoadResult): Promise<void> {
  const running = await attached(dp);
  for (const [link, id] of running) {
    const name = link.replace(/_(cgroup|eth0|dp\d+)$/, "");
    expect([link, id]).toEqual([link, programs.find((program) => program.name === name)?.id as number]);
  }
  expect(new Set(running.values()).size).toBe(programs.length);
}

/** Nothing that must not be touched when a build is refused. */
async function state(dp: Dp): Promise<object> {
  return {
    pins: readdirSync(dp.pinRoot, { recursive: true }).map(String).sort(),
    attached: await attached(dp),
  };
}

/** Name → the kernel's number of each pinned map: another number is another map. */
async function mapIds(dp: Dp): Promise<Map<string, number>> {
  const folder = join(dp.pinRoot, "maps");
  const ids = readdirSync(folder).map(async (name) => {
    const { id } = JSON.parse(await must(["bpftool", "-j", "map", "show", "pinned", join(folder, name)])) as {
      id: number;
    };
    return [name, id] as const;
  });
  return new Map(await Promise.all(ids));
}

describe("under 50 streams and 200 new connections a second", () => {
  test("builds of one layout take over from each other, back and forth, and no connection breaks", async () => {
    await using all = await world();
    const { net, players, servers } = all;
    const builds = [net.dp.as(other.dp), net.dp];
    const tags: string[] = [];
    for (let upgrade = 0; upgrade < 6; upgrade++) {
      const dp = builds[upgrade % 2] as Dp;
      const result = await dp.json<LoadResult>("load");
      expect(result).toMatchObject({ upgraded: true, servers: 1, migrated: [] });
      await expectAttached(dp, result);
      tags.push(result.programs.find(({ name }) => name === "dp_tproxy_container")?.tag ?? "");
      await Promise.all([players.goesOn(), servers.goesOn()]);
    }
    expect(new Set(tags).size).toBe(2);
    expect(tags.slice(2)).toEqual(tags.slice(0, 4));
    expect(await players.finish()).toBeGreaterThan(100);
    expect(await servers.finish()).toBeGreaterThan(10);
  });

  test("a build of another layout takes the maps over, with all that is in them", async () => {
    await using all = await world();
    const { net, players, servers } = all;
    const newer = net.dp.as(next.dp);
    const before = await net.dp.list();

    // Not before it is loaded.
    const early = await newer.run("add-server", "--port", "25571", "--netns", net.container("later").name);
    expect(early.code).toBe(3);
    expect(early.stderr).toMatch(
      /^dp: add server 25571: loaded by an older build \(.*\) with layout 2: this build has layout 3$/m,
    );
    expect(early.stderr).toContain("hint: run `dp load` first");
    expect(await newer.list()).toEqual(before);

    const traffic = async (dp: Dp) => (await dp.json<Details>("show", "25570")).forwards[0].in.packets;
    const counted = await traffic(net.dp);
    const result = await newer.json<LoadResult>("load");
    expect(result).toMatchObject({ upgraded: true, servers: 1 });
    expect(result.migrated.toSorted()).toEqual(MIGRATED);
    await expectAttached(newer, result);
    await Promise.all([players.goesOn(), servers.goesOn()]);
    expect(await newer.list()).toEqual(before);
    expect(await traffic(newer)).toBeGreaterThan(counted);

    // The older one keeps its hands off.
    const was = await state(newer);
    for (const args of [
      ["load"],
      ["unload", "--force"],
      ["list"],
      ["show", "25570"],
      ["add-server", "--port", "25571", "--netns", net.container("later").name],
      ["del-server", "25570"],
      ["repair"],
    ]) {
      const { code, stdout, stderr } = await net.dp.run(...args);
      expect([args, code, stdout]).toEqual([args, 5, ""]);
      expect(stderr).toMatch(/loaded by a newer build \(2\..*\) with layout 3: this build opens layout 2\nhint: /);
    }
    expect(await state(newer)).toEqual(was);

    // And the newer one goes on, with servers it adds itself, and with its own like.
    await newer.addServer(25571, net.container("later"));
    await serve(net.container("later"));
    await using more = await Crowd.start(net.player(), { port: 25571 }, { streams: 2, perSecond: 5 });
    const again = await newer.json<LoadResult>("load");
    expect(again).toMatchObject({ upgraded: true, servers: 2, migrated: [] });
    await expectAttached(newer, again);
    await Promise.all([players.goesOn(), servers.goesOn(), more.goesOn()]);
    expect(await players.finish()).toBeGreaterThan(100);
    expect(await servers.finish()).toBeGreaterThan(10);
    await newer.must("unload", "--force");
  });
});

/** What is changed when a program on an interface is: a link, or a filter and then its pin. */
const swapOf = (program: string, place = "dp1") =>
  MECHANISM === "tcx" ? `link to ${program}` : `progs/${program}_${place}`;

/** What an upgrade does, in its order, as far as an attempt that goes on where another was killed does it again. */
const CHANGES = [
  "replaced/dp_servers",
  "replaced/dp_origins",
  "dp_meta",
  "maps/dp_flows",
  "maps/dp_records",
  "progs/dp_snat",
  "link to dp_sockops",
  "link to dp_getsockopt",
  swapOf("dp_arp"),
  swapOf("dp_snat"),
  swapOf("dp_tproxy_host"),
  swapOf("dp_tproxy_container"),
  swapOf("dp_dnat", "eth0"),
  "set an entry of dp_traffic",
  "unpin",
];

test("an upgrade that is killed again and again, at later moments, is finished by the next; no connection breaks", async () => {
  await using all = await world();
  const { net, players, servers } = all;
  const newer = net.dp.as(next.dp);
  const before = await net.dp.list();
  // Who comes to the proxy anew is held back all the while, and is not to give up before: it tries every second.
  await net.container().run(["sysctl", "-qwe", "net.ipv4.tcp_syn_retries=127", "net.ipv4.tcp_syn_linear_timeouts=127"]);
  for (const change of CHANGES) {
    const { code, stderr } = await newer.runIn({ DP_FAULT: `kill:${change}` }, "load");
    expect([code, stderr]).toEqual([137, expect.stringContaining(change)]);
    expect(await newer.list()).toEqual(before);
    const other = await newer.run("del-server", "25570");
    expect([change, other.code]).toEqual([change, 3]);
    expect(other.stderr).toContain("an upgrade was not finished");
    // Its streams; who comes to the proxy anew is held back until the end.
    await Promise.all([players.goesOn(), servers.goesOn()]);
  }
  const result = await newer.json<LoadResult>("load");
  await expectAttached(newer, result);
  expect(readdirSync(newer.pinRoot)).not.toContain("replaced");
  expect(await newer.list()).toEqual(before);
  expect(await players.finish()).toBeGreaterThan(100);
  expect(await servers.finish()).toBeGreaterThan(10);
});

test("an upgrade that fails at whatever step leaves the older build running, and its maps", async () => {
  await using all = await world();
  const { net, players, servers } = all;
  const newer = net.dp.as(next.dp);
  const was = { ...(await state(net.dp)), maps: await mapIds(net.dp) };
  const before = await net.dp.list();
  let failures = 0;
  // Beyond the programs are the entries of flows, as many as there are at the time.
  for (let at = 5; ; at += at < 70 ? 11 : at) {
    const { code, stderr } = await newer.runIn({ DP_FAULT: `fail:${at}` }, "load");
    if (code === 0) break;
    failures += 1;
    expect([at, code, stderr]).toEqual([at, 1, expect.stringMatching(/^dp: .+\n$/)]);
    expect({ ...(await state(net.dp)), maps: await mapIds(net.dp) }).toEqual(was);
    expect(await net.dp.list()).toEqual(before);
    // What it was asked to do is done by the older build, as if nothing had been.
    await net.dp.addServer(25571, net.container("later"));
    await net.dp.must("del-server", "25571");
    await Promise.all([players.goesOn(), servers.goesOn()]);
  }
  expect(failures).toBeGreaterThan(5);
  expect(await newer.list()).toEqual(before);
  await Promise.all([players.goesOn(), servers.goesOn()]);
  expect(await players.finish()).toBeGreaterThan(100);
  expect(await servers.finish()).toBeGreaterThan(10);
});

interface Details {
  forwards: [{ in: { packets: number } }];
}
