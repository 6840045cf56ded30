/**
 * Loading over what another build has loaded. The other build is real: bpf/ with changed declarations, compiled, loaded
 * and pinned as one would have. Then this build loads, as if its layout were one version on.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  type DpConfig,
  dpEndpointKey,
  DpFlowEnd,
  DpLayout,
  dpMeta,
  type DpOrigin,
  dpOrigin,
  dpOriginKey,
  mapLayouts,
  u32,
} from "@dp/bpf";
import { DatapathError, withNetns } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { monotonicNow } from "../src/ffi/libc.ts";
import {
  entriesOf,
  entryOf,
  LayoutError,
  MapFullError,
  type Objects,
  readInterface,
  type ServerRecord,
  snapshotPins,
  VerifierError,
} from "../src/index.ts";
import { BpfMap, bytes, Link, pinnedKind, type Program } from "../src/libbpf/index.ts";
import { requirePin } from "../src/libbpf/pin.ts";
import { openRaw, openRawById, type RawMap } from "../src/libbpf/raw-map.ts";
import { openAnyLayout } from "../src/objects/maps.ts";
import { PinRoot } from "../src/objects/programs/pin-root.ts";
import { loadBuild, openPinned, openPrevious } from "../src/objects/upgrade/open.ts";
import { needsLoad } from "../src/objects/upgrade/stamp.ts";
import { fixture } from "./support/fixture.ts";
import { CONFIG, LOBBY, SETTINGS } from "./support/lobby.ts";
import { type Edits, loadOther, ONE_ON, otherBuild, pinnedProgram } from "./support/other-build.ts";

requireRoot();
// Other builds are compiled.
setDefaultTimeout(60_000);

let bpffs: Bpffs;

forEachTest(() => (bpffs = new Bpffs()));

/**
 * A build with fields that this one does not know, without fields that this one has, and with narrower numbers, also in
 * arrays of structs; with fewer drop reasons.
 */
const OLDER: Edits = {
  "maps/control.h": [
    ["\t__u32 state; /* enum", "\t__u64 legacy;\n\t__u32 state; /* enum"],
    ["\tchar owner[DP_OWNER_LEN]; /* cli, file:NAME or cni:NETWORK */\n", ""],
    ["\t__u32 mtu; /* of both peers", "\t__u16 mtu;\n\t__u16 pad; /* of both peers"],
    ["\t__u32 mtu; /* the uplink's", "\t__u32 legacy;\n\t__u16 mtu;\n\t__u16 pad; /* the uplink's"],
  ],
  "maps/servers.h": [
    ["\t__u32 group; /* servers of one group reach each other's forwards; 0: none */\n", "\t__u32 legacy;\n"],
    ["\t__u64 netns_cookie;", "\t__u32 netns_cookie;\n\t__u32 pad;"],
    ["\t__u32 uplink; /* ifindex: replies", "\t__u32 legacy;\n\t__u32 uplink; /* ifindex: replies"],
  ],
  "maps/endpoints.h": [
    ["\t__u32 server;\n", "\t__u64 legacy;\n\t__u32 server;\n"],
    ["\t__u32 open; /* 0: closed. The server has this endpoint, but its packets go to the host */\n", ""],
  ],
  "maps/drop_reason.h": [["DP_DROP_MAX = 32", "DP_DROP_MAX = 25"]],
  "maps/traffic.h": [["\tstruct dp_traffic in;", "\t__u64 legacy;\n\tstruct dp_traffic in;"]],
  "maps/host.h": [["\t__u64 held_until;", "\t__u64 legacy;\n\t__u64 held_until;"]],
  "maps/fragments.h": [["public endpoint */\n\t__u16 pad;", "public endpoint */\n\t__u16 legacy;"]],
  "maps/flows.h": [
    ["\t__u32 pad2;\n\t__u64 expires;", "\t__u32 legacy;\n\t__u64 expires;"],
    ["\t__be16 listener; /* the proxy's port */", "\t__be16 listener;\n\t__u32 legacy;"],
    ["\t__s32 flows;", "\t__s32 flows;\n\t__u32 legacy;"],
  ],
  "dnat.bpf.c": [["if (!endpoint || !endpoint->open)", "if (!endpoint)"]],
  "snat.bpf.c": [["if (!server->group || other->group != server->group)", "if (other != server)"]],
};
/** The maps that were given another layout above. */
const CHANGED = [
  "dp_configs",
  "dp_drop_counts",
  "dp_endpoints",
  "dp_flow_counts",
  "dp_flows",
  "dp_fragments",
  "dp_origins",
  "dp_records",
  "dp_servers",
  "dp_traffic",
];

/** Smaller tables of players. */
const OTHER_PLAYERS: Edits = { "maps/players.h": [["#define DP_PLAYER_SLOTS 4096", "#define DP_PLAYER_SLOTS 2048"]] };

/** A server as the older build can keep it. */
const RECORD: ServerRecord = { ...LOBBY, owner: "" };
const { id: SERVER } = RECORD;
const HOST_PEER = RECORD.hostPeer.ifindex;
const [{ counter: COUNTER }] = RECORD.forwards as [ServerRecord["forwards"][number]];
const ENTRY = { ...entryOf(RECORD, 0), netnsCookie: RECORD.netns.cookie };
/** dp_endpoint of the older build has no `open`, which is then zero. */
const ENDPOINTS = entriesOf(RECORD).map(([endpoint, entry]) => [endpoint, { ...entry, open: false }] as const);

/** What the server's table of players has in its first slot: when a player sent something. */
const SEEN = 0x8000_0123;
/** Bytes of a table. */
const TABLE_SIZE = mapLayouts.dp_players.inner.value.size;
const OTHER_TABLE_SIZE = TABLE_SIZE - 2048 * 4;

/** @param tableSize of the older build's tables of players */
function fill(objects: Objects, tableSize = TABLE_SIZE): void {
  objects.config.set(CONFIG);
  objects.settings.set(SETTINGS);
  objects.hostAddresses.set([{ address: "198.51.100.7", ifindex: 3 }]);
  objects.records.set(RECORD);
  objects.endpoints.setMany(ENDPOINTS);
  objects.servers.set(HOST_PEER, ENTRY);
  objects.containers.set("10.2.0.2", { server: SERVER, hostPeer: HOST_PEER });
  objects.counters.claim(COUNTER, SERVER);
  objects.drops.start();
  objects.drops.add(SERVER);
  using tables = pinnedMap("maps/dp_players");
  using table = BpfMap.create({ name: "dp_players", type: "array", maxEntries: 1 }, u32, bytes(tableSize));
  const seen = new Uint8Array(tableSize);
  seen.set(u32.write(SEEN));
  table.set(0, seen);
  tables.set(u32.write(SERVER), [u32.write(table.fd)]);
}

function contents(objects: Objects): unknown {
  return {
    config: objects.config.get(),
    settings: objects.settings.get(),
    addresses: objects.hostAddresses.all(),
    records: objects.records.all(),
    endpoints: objects.endpoints.all(),
    servers: objects.servers.all(),
    containers: objects.containers.all(),
    flows: objects.flows.all(),
    counters: objects.counters.all(),
    traffic: objects.counters.read(COUNTER),
    drops: objects.drops.read(SERVER),
    dropsOfNoServer: objects.drops.read(),
    players: objects.players.ids(),
  };
}

/** What {@link fill} has made of it. */
const FILLED = {
  config: CONFIG,
  settings: SETTINGS,
  addresses: [{ address: "198.51.100.7", ifindex: 3 }],
  records: [RECORD],
  endpoints: ENDPOINTS,
  servers: [[HOST_PEER, ENTRY]],
  containers: [["10.2.0.2", { server: SERVER, hostPeer: HOST_PEER }]],
  counters: [[COUNTER, SERVER]],
  players: [SERVER],
};

/** An older build is loaded, with a server. */
function loadOlder(edits: Edits = OLDER, options: Parameters<typeof loadOther>[2] & { tableSize?: number } = {}): void {
  loadOther(bpffs.path, otherBuild(edits), options);
  using objects = previous();
  fill(objects, options.tableSize);
}

function previous(layouts = ONE_ON): Objects {
  const objects = openPrevious({ pinRoot: bpffs.path }, { layouts });
  if (objects === undefined) throw new Error("nothing is loaded");
  return objects;
}

function load(maxServers?: number): Objects {
  return loadBuild(
    { pinRoot: bpffs.path, build: "1.2.3", ...(maxServers === undefined ? {} : { maxServers }) },
    { layouts: ONE_ON },
  );
}

function open(): Objects {
  return openPinned({ pinRoot: bpffs.path }, { layouts: ONE_ON });
}

function whyLoad(): string | undefined {
  return needsLoad(new PinRoot(bpffs.path), ONE_ON);
}

/** The server's table of players in a pinned outer map. */
function playersOf(path: string): RawMap {
  using tables = pinnedMap(path);
  const [id] = tables.get(u32.write(SERVER)) ?? [];
  if (id === undefined) throw new Error("the server has no table");
  return openRawById(u32.read(id));
}

function firstSlot(table: RawMap): number | undefined {
  const [value] = table.get(u32.write(0)) ?? [];
  return value === undefined ? undefined : u32.read(value.subarray(0, 4));
}

/** What is pinned, with the kernel's numbers. */
function pins(): string[] {
  return bpffs.list().map((path) => {
    if (pinnedKind(bpffs.join(path)) === "link") {
      using link = Link.fromPin(bpffs.join(path));
      return `${path} ${link.id}`;
    }
    if (path.startsWith("progs")) {
      using program = pinnedProgram(bpffs.path, path.slice("progs/".length));
      return `${path} ${program.id}`;
    }
    using map = pinnedMap(path);
    return `${path} ${map.info.id}`;
  });
}

function pinnedMap(path: string): RawMap {
  return openRaw(requirePin(bpffs.join(path), "map"));
}

function pinnedId(path: string): number {
  using map = pinnedMap(path);
  return map.info.id;
}

function stamp() {
  using map = BpfMap.fromPin(bpffs.join("maps", "dp_meta"), u32, dpMeta);
  return map.get(0);
}

/** dp_snat drops packets of an interface that is no host peer, and counts them with those of no server. */
function drop(program: Program, times: number): void {
  for (let packet = 0; packet < times; packet++) program.testRun({ data: new Uint8Array(64) });
}

/** Adds to a number at this offset in the entry of the server's counter, on each CPU. */
function count(map: RawMap, offset: number, more: bigint): void {
  const key = u32.write(COUNTER);
  const values = map.get(key) ?? [];
  for (const value of values) {
    const view = new DataView(value.buffer, value.byteOffset);
    view.setBigUint64(offset, view.getBigUint64(offset, true) + more, true);
  }
  map.set(key, values);
}

function openPreviousConfig(): DpConfig | undefined {
  using configs = openAnyLayout(new PinRoot(bpffs.path), mapLayouts.dp_configs);
  return configs?.get(0);
}

function pinsBut(folder: string): string[] {
  return pins().filter((pin) => !pin.startsWith(folder));
}

describe("maps of another layout", () => {
  test("are read by their fields' names, and written, before anything is loaded", () => {
    loadOlder();
    using objects = previous();
    expect(whyLoad()).toBe(
      `loaded by an older build (0.0.1-other) with layout ${DpLayout.version}: this build has layout ${ONE_ON.version}`,
    );
    expect(contents(objects)).toMatchObject(FILLED);
    // As that build wrote it: the field it has in front of all others is zero, and then comes the state.
    using records = pinnedMap("maps/dp_records");
    const [value] = [...records][0]?.[1] ?? [];
    expect(value?.subarray(0, 12)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0));
    using opened = open();
    expect(contents(opened)).toEqual(contents(objects));
  });

  test("are replaced with their contents; the others stay as they were", () => {
    loadOlder();
    const before = pins();
    using old = previous();
    const was = contents(old);
    using objects = load();
    expect(contents(objects)).toEqual(was);
    expect(contents(objects)).toMatchObject(FILLED);
    expect(bpffs.list().filter((path) => path.startsWith("replaced"))).toHaveLength(CHANGED.length);
    expect(objects.finishUpgrade().toSorted()).toEqual(CHANGED);
    expect(contents(objects)).toEqual(was);
    expect(bpffs.list()).toEqual(before.map((pin) => pin.split(" ")[0] as string));
    const kept = pins().filter((pin) => before.includes(pin));
    const unchanged = Object.keys(mapLayouts).filter((name) => !CHANGED.includes(name));
    expect(kept.map((pin) => pin.split(" ")[0])).toEqual(unchanged.toSorted().map((name) => `maps/${name}`));
    expect(stamp()).toMatchObject({ layoutVersion: ONE_ON.version, build: "1.2.3" });
    expect(whyLoad()).toBeUndefined();
    expect(objects.finishUpgrade()).toEqual([]);
  });

  test("have room for new fields and wider numbers", () => {
    loadOlder();
    using objects = load();
    objects.finishUpgrade();
    const record: ServerRecord = {
      ...LOBBY,
      mtu: 65_536,
      forwards: LOBBY.forwards.map((forward) => ({ ...forward, mtu: 65_537 })),
    };
    objects.records.set(record);
    expect(objects.records.all()).toEqual([record]);
    const entry = { ...entryOf(LOBBY, 9), netnsCookie: 2n ** 40n };
    objects.servers.set(HOST_PEER, entry);
    expect(objects.servers.get(HOST_PEER)).toEqual(entry);
    const [[endpoint, there]] = entriesOf(LOBBY) as [ReturnType<typeof entriesOf>[number]];
    objects.endpoints.set(endpoint, there);
    expect(objects.endpoints.all()).toEqual([[endpoint, there]]);
  });

  test("of another size are replaced together with their layout", () => {
    loadOlder();
    using objects = load(2 * mapLayouts.dp_records.maxEntries);
    expect(contents(objects)).toMatchObject(FILLED);
    expect(objects.finishUpgrade()).toEqual(expect.arrayContaining(["dp_names", "dp_players", "dp_records"]));
    expect(contents(objects)).toMatchObject(FILLED);
    using table = playersOf("maps/dp_players");
    expect(firstSlot(table)).toBe(SEEN);
  });

  test("and of this build's own are the same: nothing is replaced", () => {
    load().close();
    const before = pins().filter((pin) => pin.startsWith("maps"));
    using objects = load();
    expect(pins().filter((pin) => pin.startsWith("maps"))).toEqual(before);
    expect(objects.finishUpgrade()).toEqual([]);
  });

  test("of the same version with fields that are not known are not touched", () => {
    loadOlder(OLDER, { layoutVersion: ONE_ON.version });
    const before = pins();
    const error = thrown(LayoutError, load);
    expect(error.message).toContain("legacy is __u64, this build needs absent");
    expect(pins()).toEqual(before);
  });

  test.each([
    [
      "another meaning",
      { "maps/endpoints.h": [["__be16 port; /* the container", "__u16 port; /* the container"]] },
      "map dp_endpoints port is __u16, this build needs __be16",
    ],
    [
      "less room",
      { "maps/control.h": [["#define DP_PATH_LEN 128", "#define DP_PATH_LEN 192"]] },
      "map dp_records netns is char[192], this build needs char[128]",
    ],
    [
      "a longer list",
      { "maps/control.h": [["forwards[DP_FORWARDS]", "forwards[DP_FORWARDS + 1]"]] },
      "map dp_records forwards[32].public_addr is struct dp_addr, this build needs absent",
    ],
  ] as [string, Edits, string][])(
    "with a field of %s are refused by name, and nothing changes",
    (_, edits, message) => {
      loadOther(bpffs.path, otherBuild(edits));
      const before = pins();
      const error = thrown(LayoutError, load);
      expect(error.message).toContain(message);
      expect(error.hint).toContain("dp unload");
      expect(pins()).toEqual(before);
    },
  );

  test("that are another type of map are refused", () => {
    const hash =
      "__uint(type, BPF_MAP_TYPE_HASH);\n\t__uint(max_entries, 4096);\n\t__uint(map_flags, BPF_F_NO_PREALLOC);";
    const lru = "__uint(type, BPF_MAP_TYPE_LRU_HASH);\n\t__uint(max_entries, 4096);";
    loadOther(bpffs.path, otherBuild({ "maps/host.h": [[hash, lru]] }));
    expect(thrown(LayoutError, load).message).toContain("map dp_host_addrs (type) is lruHash, this build needs hash");
  });

  test("without a stamp lose nothing: a field that is not known is refused", () => {
    loadOther(bpffs.path, otherBuild(OLDER), { layoutVersion: "none" });
    expect(thrown(LayoutError, load).message).toContain("legacy is __u64, this build needs absent");
    rmSync(bpffs.join("maps"), { recursive: true });
    rmSync(bpffs.join("progs"), { recursive: true });
    loadOther(bpffs.path, otherBuild({}), { layoutVersion: "none" });
    expect(thrown(DatapathError, open).code).toBe("NOT_LOADED");
    load().close();
    expect(stamp()).toMatchObject({ layoutVersion: ONE_ON.version });
  });

  test("with more entries than the new ones have room for change nothing", () => {
    loadOther(bpffs.path, otherBuild(OLDER), { maxEntries: { dp_host_addrs: 5000 } });
    using old = previous();
    fill(old);
    old.hostAddresses.set(
      Array.from({ length: 4500 }, (_, index) => ({ address: `10.9.${index >> 8}.${index & 255}`, ifindex: 3 })),
    );
    const before = pins();
    const error = thrown(MapFullError, load);
    expect(error).toMatchObject({ map: "dp_host_addrs", maxEntries: 4096 });
    expect(pins()).toEqual(before);
    expect(old.hostAddresses.all()).toHaveLength(4500);
  });

  test("stay, when a program of the new build does not pass the verifier", () => {
    loadOlder();
    const before = pins();
    using old = previous();
    const was = contents(old);
    const images = { arp: fixture("refused") };
    expect(() => loadBuild({ pinRoot: bpffs.path }, { images, layouts: ONE_ON })).toThrow(VerifierError);
    expect(pins()).toEqual(before);
    expect(contents(old)).toEqual(was);
    expect(stamp()).toMatchObject({ build: "0.0.1-other" });
  });
});

describe("what programs write while they are replaced", () => {
  const dropsOfNoServer = (objects: Objects) => objects.drops.read()?.unknownInterface;

  test("counts once, whichever build's program counted", () => {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    drop(old, 3);
    using objects = load();
    drop(old, 2);
    using now = pinnedProgram(bpffs.path, "dp_snat");
    drop(now, 4);
    expect(objects.finishUpgrade()).toContain("dp_drop_counts");
    drop(now, 1);
    expect(dropsOfNoServer(objects)).toBe(10n);
  });

  test("is each CPU's, and beside other fields of the same entry", () => {
    loadOlder();
    using old = pinnedMap("maps/dp_traffic");
    // Behind the field that is not known any more.
    count(old, 8, 5n);
    using objects = load();
    count(old, 8, 2n);
    using now = pinnedMap("maps/dp_traffic");
    count(now, 0, 1n);
    objects.finishUpgrade();
    const cpus = now.get(u32.write(COUNTER))?.length ?? 0;
    expect(objects.counters.read(COUNTER)).toEqual({
      in: { packets: 8n * BigInt(cpus), bytes: 0n },
      out: { packets: 0n, bytes: 0n },
    });
  });

  test("is not lost when the upgrade is undone, and nothing of the new build is left", () => {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    const was = pins();
    drop(old, 3);
    using before = snapshotPins({ pinRoot: bpffs.path });
    using objects = load(2 * mapLayouts.dp_records.maxEntries);
    using now = pinnedProgram(bpffs.path, "dp_snat");
    drop(now, 4);
    drop(old, 1);
    before.restore();
    expect(pins()).toEqual(was);
    expect(stamp()).toMatchObject({ build: "0.0.1-other" });
    using still = previous();
    expect(dropsOfNoServer(still)).toBe(8n);
    expect(contents(still)).toMatchObject(FILLED);
    void objects;
  });

  test("goes on where a process that was killed has stopped", () => {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    drop(old, 3);
    load().close();
    const left = bpffs.list();
    using killed = open();
    expect(whyLoad()).toBe("an upgrade was not finished");
    expect(contents(killed)).toMatchObject(FILLED);
    drop(old, 2);
    using objects = load();
    expect(bpffs.list()).toEqual(left);
    expect(objects.finishUpgrade().toSorted()).toEqual(CHANGED);
    expect(dropsOfNoServer(objects)).toBe(5n);
    expect(whyLoad()).toBeUndefined();
  });
});

test("an upgrade that was killed before any of its changes is done by the next load", () => {
  const modules = join(import.meta.dirname, "../src/objects/upgrade");
  const script = (at: number) => `
    import { injectFaults } from "@dp/sys/fault";
    import { loadBuild } from "${modules}/open.ts";
    injectFaults("kill:${at}");
    const layouts = ${JSON.stringify(ONE_ON)};
    const objects = loadBuild({ pinRoot: "${bpffs.path}", maxServers: 5000 }, { layouts });
    objects.finishUpgrade();
  `;
  // A prime: the kills are at other changes of each map.
  for (let at = 1; ; at += 11) {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    drop(old, 3);
    const drops = pinnedId("maps/dp_drop_counts");
    const child = Bun.spawnSync([process.execPath, "-e", script(at)], { cwd: import.meta.dir });
    const killed = child.signalCode === "SIGKILL";
    if (!killed) expect([child.exitCode, child.stderr.toString()]).toEqual([0, ""]);
    // The end of an upgrade is for when no program of the older build runs: what one drops then is not counted.
    const counted = pins().some((pin) => pin.endsWith(` ${drops}`));
    drop(old, 2);
    {
      using objects = load(5000);
      objects.finishUpgrade();
      expect([at, contents(objects)]).toMatchObject([at, FILLED]);
      expect([at, objects.drops.read()?.unknownInterface]).toEqual([at, counted ? 5n : 3n]);
      using table = playersOf("maps/dp_players");
      expect([at, firstSlot(table)]).toEqual([at, SEEN]);
      expect(whyLoad()).toBeUndefined();
      objects.unpinAll();
    }
    expect(bpffs.list()).toEqual([]);
    if (killed) continue;
    expect(at).toBeGreaterThan(50);
    break;
  }
}, 300_000);

test("an upgrade that was not finished is taken down like any other", () => {
  loadOlder();
  using objects = load();
  objects.unpinAll();
  expect(bpffs.list()).toEqual([]);
});

test("thousands of entries are copied, those of per-CPU maps too", () => {
  loadOlder(OLDER, { maxEntries: { dp_drop_counts: 6000 } });
  using endpoints = pinnedMap("maps/dp_endpoints");
  using drops = pinnedMap("maps/dp_drop_counts");
  const [, values] = [...endpoints][0] ?? [new Uint8Array(), []];
  const [, counts] = [...drops][0] ?? [new Uint8Array(), []];
  const ports = Array.from({ length: 5000 }, (_, index) => index);
  const key = { addr: "192.0.2.1", protocol: 6, family: 0 };
  endpoints.setMany(ports.map((port) => [dpEndpointKey.write({ ...key, port }), values] as const));
  drops.setMany(ports.map((id) => [u32.write(id), counts] as const));
  using objects = load(6000);
  expect(objects.endpoints.all()).toHaveLength(5001);
  expect(objects.drops.ids()).toHaveLength(4999);
});

describe("tables of players", () => {
  const grow = 2 * mapLayouts.dp_records.maxEntries;

  test("are the same in the larger map: what programs of either build note is known to both", () => {
    loadOlder();
    using before = playersOf("maps/dp_players");
    using objects = load(grow);
    const [replaced] = bpffs.list().filter((path) => path.startsWith("replaced/dp_players"));
    using old = playersOf(replaced as string);
    using now = playersOf("maps/dp_players");
    expect([old.info.id, now.info.id]).toEqual([before.info.id, before.info.id]);
    expect(firstSlot(now)).toBe(SEEN);
    objects.finishUpgrade();
    expect(objects.players.ids()).toEqual([SERVER]);
    expect(openPreviousConfig()?.playersFrom).toBe(0);
    // Also for a server that is added now, in a place that the old map did not have.
    objects.players.add(grow);
    expect(objects.players.ids()).toEqual([SERVER, grow]);
  });

  test("of another size are made anew, and everyone counts as a player at first", () => {
    loadOlder(OTHER_PLAYERS, { tableSize: OTHER_TABLE_SIZE });
    using before = playersOf("maps/dp_players");
    using objects = load();
    expect(objects.players.ids()).toEqual([SERVER]);
    using now = playersOf("maps/dp_players");
    expect(now.info.id).not.toBe(before.info.id);
    expect([before.info.valueSize, now.info.valueSize]).toEqual([OTHER_TABLE_SIZE, TABLE_SIZE]);
    expect([firstSlot(before), firstSlot(now)]).toEqual([SEEN, 0]);
    expect(openPreviousConfig()?.playersFrom).toBeGreaterThanOrEqual(2 ** 31);
    expect(objects.finishUpgrade()).toEqual(["dp_players"]);
  });

  test("of another size are there again when the upgrade is undone", () => {
    loadOlder(OTHER_PLAYERS, { tableSize: OTHER_TABLE_SIZE });
    using before = snapshotPins({ pinRoot: bpffs.path });
    load().close();
    before.restore();
    using table = playersOf("maps/dp_players");
    expect([table.info.valueSize, firstSlot(table)]).toEqual([OTHER_TABLE_SIZE, SEEN]);
    expect(bpffs.list().filter((path) => path.startsWith("replaced"))).toEqual([]);
  });

  test("of another size are found out where there is none", () => {
    loadOther(bpffs.path, otherBuild(OTHER_PLAYERS));
    using objects = load();
    objects.players.add(SERVER);
    expect(objects.finishUpgrade()).toEqual(["dp_players"]);
    expect(openPreviousConfig()?.playersFrom).toBe(0);
    using again = load();
    expect(again.finishUpgrade()).toEqual([]);
  });

  test("that are lost are made anew by nothing but a server's repair, and everyone counts as a player", () => {
    loadOlder({});
    rmSync(bpffs.join("maps", "dp_players"));
    for (const path of bpffs.list()) if (path.startsWith("progs")) rmSync(bpffs.join(path));
    using objects = load();
    expect(objects.players.ids()).toEqual([]);
    expect(openPreviousConfig()?.playersFrom).toBeGreaterThanOrEqual(2 ** 31);
  });

  test("need no such thing on a host without servers", () => {
    load().close();
    load().close();
    expect(openPreviousConfig()?.playersFrom).toBe(0);
  });
});

describe("flows", () => {
  const key = (sport: number) => ({ server: SERVER, sport, protocol: 6, family: 0 });
  const origin = (expires: bigint): DpOrigin => ({
    dst: "198.51.100.7",
    dport: 443,
    sport: 40000,
    listener: 9111,
    end: DpFlowEnd.timed,
    expires,
  });
  /** In an older build's map all fields but its own are where they are in this one's. The timer is the last. */
  const put = (map: RawMap, sport: number, value: DpOrigin) => {
    const bytes = new Uint8Array(map.info.valueSize);
    bytes.set(dpOrigin.write(value).subarray(0, dpOrigin.size - 16));
    map.set(dpOriginKey.write(key(sport)), [bytes]);
  };
  const read = (map: RawMap, sport: number) => {
    const [value] = map.get(dpOriginKey.write(key(sport))) ?? [];
    return value === undefined ? undefined : dpOrigin.read(value);
  };
  const LATER = 1n << 60n;

  test("go on in the new map, in the state they have reached in either", () => {
    loadOlder();
    using old = pinnedMap("maps/dp_origins");
    for (const [sport, expires] of [
      [1, 0n],
      [2, LATER],
      [3, LATER],
      [4, 0n],
      [5, 0n],
    ] as const) {
      put(old, sport, origin(expires));
    }
    using objects = load();
    using now = pinnedMap("maps/dp_origins");
    for (const sport of [1, 2, 3, 4, 5]) expect(read(now, sport)?.end).toBe(DpFlowEnd.copied);
    // Programs of the older build: a flow is accepted, one is closed, one is gone, one is opened.
    put(old, 2, origin(0n));
    put(old, 4, origin(LATER));
    old.delete(dpOriginKey.write(key(5)));
    put(old, 6, origin(0n));
    // A program of the new one: this is accepted, and marked as its own.
    now.set(dpOriginKey.write(key(3)), [dpOrigin.write({ ...origin(0n), end: DpFlowEnd.swept })]);
    objects.finishUpgrade();
    const swept = (expires: bigint) => ({ ...origin(expires), end: DpFlowEnd.swept });
    expect(read(now, 1)).toEqual(swept(0n));
    expect(read(now, 2)).toEqual(swept(0n));
    expect(read(now, 3)).toEqual(swept(0n));
    expect(read(now, 4)).toEqual(swept(LATER));
    expect(read(now, 5)).toEqual(swept(1n));
    expect(read(now, 6)).toEqual(swept(0n));
  });

  test("are held back from the first copy to the end, and no longer", () => {
    loadOlder();
    const heldUntil = () => openPreviousConfig()?.heldUntil ?? 0n;
    expect(heldUntil()).toBe(0n);
    using objects = load();
    expect(heldUntil()).toBeGreaterThan(monotonicNow());
    const [replaced = ""] = bpffs.list().filter((path) => path.startsWith("replaced/dp_configs"));
    using configs = pinnedMap(replaced);
    // Behind the field that this build does not know.
    const [value = new Uint8Array(40)] = configs.get(u32.write(0)) ?? [];
    expect(new DataView(value.buffer, value.byteOffset).getBigUint64(32, true)).toBe(heldUntil());
    objects.finishUpgrade();
    expect(heldUntil()).toBe(0n);
  });

  test("of a removed map that programs still have are removed by the sweep: the kernel has ended their timers", () => {
    load().close();
    using held = pinnedProgram(bpffs.path, "dp_sockops");
    using map = pinnedMap("maps/dp_origins");
    put(map, 1, origin(LATER));
    const { id } = map.info;
    rmSync(bpffs.join("maps", "dp_origins"));
    using objects = load();
    using again = pinnedMap("maps/dp_origins");
    expect(again.info.id).toBe(id);
    expect(read(again, 1)).toEqual({ ...origin(LATER), end: DpFlowEnd.swept });
    void [held, objects];
  });
});

describe("a layout that this build cannot open", () => {
  const VERSION = DpLayout.version;

  test.each([
    [
      "newer",
      VERSION + 1,
      `loaded by a newer build (0.0.1-other) with layout ${VERSION + 1}: this build opens layout ${VERSION}`,
      "use that build or a newer one; to go back to this build, first unload with that one: dp unload",
    ],
    [
      "1",
      1,
      `loaded by an older build (0.0.1-other) with layout 1: this build opens layout ${VERSION}`,
      "unload it with that build (its dp unload), then load this one: dp load",
    ],
  ] as const)("%s is refused by everything, and not changed", (_, layoutVersion, reason, hint) => {
    loadOther(bpffs.path, otherBuild({}), { layoutVersion });
    const before = pins();
    const pinRoot = bpffs.path;
    for (const opening of [
      () => loadBuild({ pinRoot }),
      () => openPrevious({ pinRoot }),
      () => openPinned({ pinRoot }),
    ]) {
      expect(thrown(DatapathError, opening)).toMatchObject({ code: "CONFLICT", reason, hint });
    }
    expect(pins()).toEqual(before);
  });
});

describe("pins that were removed", () => {
  /** An uplink with dp_dnat on it: each program holds all maps. */
  function running(body: (namespace: NetworkNamespace) => void): void {
    using namespace = NetworkNamespace.withPair();
    using objects = load();
    fill(objects);
    withNetns(namespace.fd, () => {
      objects.attachments.attach("dnat", readInterface("dp0"));
      objects.attachments.attach("snat", readInterface("dp1"));
    });
    body(namespace);
  }

  test("of maps are made again, with what is in them, as long as a program has them", () => {
    running((namespace) => {
      using objects = previous();
      const was = contents(objects);
      const before = pinsBut("progs");
      objects.close();
      rmSync(bpffs.join("maps"), { recursive: true });
      expect(thrown(DatapathError, open).code).toBe("NOT_LOADED");
      using again = withNetns(namespace.fd, load);
      expect(contents(again)).toEqual(was);
      expect(pinsBut("progs")).toEqual(before);
    });
  });

  test("of maps, and their folder, are made again before anything is loaded", () => {
    running(() => {
      const before = pins();
      rmSync(bpffs.join("maps"), { recursive: true });
      previous().close();
      expect(pins()).toEqual(before);
    });
  });

  test("of programs are made again from what is attached", () => {
    running(() => {
      const before = pins();
      rmSync(bpffs.join("progs", "dp_dnat"));
      rmSync(bpffs.join("progs", "dp_snat"));
      using objects = previous();
      expect(pins()).toEqual(before);
      expect(objects.missingPins()).toEqual([]);
      rmSync(bpffs.join("progs", "dp_arp"));
      using another = previous();
      expect(another.missingPins()).toEqual([bpffs.join("progs", "dp_arp")]);
    });
  });

  test("of everything but a link are made again", () => {
    running((namespace) => {
      rmSync(bpffs.join("maps"), { recursive: true });
      for (const path of bpffs.list()) if (path !== "progs/dp_dnat_dp0") rmSync(bpffs.join(path));
      using objects = withNetns(namespace.fd, load);
      expect(contents(objects)).toMatchObject(FILLED);
      expect(objects.missingPins()).toEqual([]);
    });
  });
});
