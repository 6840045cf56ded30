/**
 * Loading over what another build has loaded. The other build is real: bpf/ with changed declarations, compiled, loaded
 * and pinned as one would have. Then this build loads.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import {
  type DpConfig,
  DpFlowEnd,
  DpLayout,
  dpMeta,
  type DpOrigin,
  dpOrigin,
  dpOriginKey,
  dpPublicKey,
  mapLayouts,
  objects as images,
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
  LayoutError,
  loadBpf,
  MapFullError,
  type Objects,
  openPinned,
  readInterface,
  type ServerRecord,
  snapshotPins,
  VerifierError,
} from "../src/index.ts";
import { openPrevious } from "../src/internal.ts";
import { BpfMap, Link, pinnedKind, type Program } from "../src/libbpf/index.ts";
import { requirePin } from "../src/libbpf/pin.ts";
import { openRaw, type RawMap } from "../src/libbpf/raw-map.ts";
import { openAnyLayout } from "../src/objects/maps.ts";
import { loadImages } from "../src/objects/open.ts";
import { PinRoot } from "../src/objects/pin-root.ts";
import { fixture } from "./support/fixture.ts";
import { CONFIG, DNAT, ENDPOINT, LOBBY, SNAT } from "./support/lobby.ts";
import { type Edits, loadOther, otherBuild, pinnedProgram } from "./support/other-build.ts";

requireRoot();
// Other builds are compiled.
setDefaultTimeout(60_000);

let bpffs: Bpffs;

forEachTest(() => (bpffs = new Bpffs()));

/** Fields this build does not know, in the midst of those it does; fewer reasons to drop; another table of players. */
const OLDER: Edits = {
  "maps.h": [
    [
      "\t__u8 mac[6]; /* the container peer's */\n\tstruct dp_traffic",
      "\t__u8 mac[6];\n\t__u64 legacy;\n\tstruct dp_traffic",
    ],
    ["\t__u16 pad;\n\tstruct dp_traffic", "\t__u16 pad;\n\t__u32 legacy;\n\t__u32 pad2;\n\tstruct dp_traffic"],
    ["\t__u32 state; /* enum", "\t__u64 legacy;\n\t__u32 state; /* enum"],
    ["\t__be32 host_subnet;", "\t__u32 legacy;\n\t__u32 pad2;\n\t__be32 host_subnet;"],
  ],
  "drop.h": [["DP_DROP_MAX = 32", "DP_DROP_MAX = 25"]],
  "flow_maps.h": [
    ["\t__u32 pad3;\n", "\t__u32 legacy;\n"],
    ["\tstruct bpf_timer timer;\n};\n\nstruct {", "\t__u64 legacy;\n\tstruct bpf_timer timer;\n};\n\nstruct {"],
    ["\t__be16 listener; /* the proxy's port */", "\t__be16 listener;\n\t__u32 legacy;"],
  ],
  "players.h": [["#define DP_PLAYER_BITS 22", "#define DP_PLAYER_BITS 16"]],
};
/** Those that were given another layout above, or another size. */
const CHANGED = [
  "dp_configs",
  "dp_dnat_targets",
  "dp_drop_counts",
  "dp_flows",
  "dp_net_records",
  "dp_origins",
  "dp_players",
  "dp_snat_targets",
  "dp_veth_pairs",
];

/** A server that has no MTU of its own. */
const RECORD: ServerRecord = { ...LOBBY, mtu: undefined };

function fill(objects: Objects): void {
  objects.setConfig(CONFIG);
  objects.setHostAddresses([{ address: "198.51.100.7", ifindex: 3 }]);
  objects.addNetData(RECORD);
  objects.addDnatTarget(ENDPOINT, DNAT);
  objects.addSnatTarget(7, SNAT);
  objects.addCounters(0);
  objects.addCounters(7);
  objects.addVethPairEntry(LOBBY.veth, { gamePort: 25565, group: 9, netnsCookie: 77n });
}

function contents(objects: Objects): unknown {
  return {
    config: objects.config(),
    addresses: objects.hostAddresses(),
    records: objects.netData(),
    dnat: objects.dnatTargets(),
    snat: objects.snatTargets(),
    pairs: objects.vethPairEntries(),
    flows: objects.flows(),
    counters: objects.counters(7),
    nobodys: objects.counters(0),
  };
}

/** An older build is loaded, with a server. */
function loadOlder(edits: Edits = OLDER, options: Parameters<typeof loadOther>[2] = {}): void {
  loadOther(bpffs.path, otherBuild(edits), options);
  using objects = previous();
  fill(objects);
}

function previous(): Objects {
  const objects = openPrevious({ pinRoot: bpffs.path });
  if (objects === undefined) throw new Error("nothing is loaded");
  return objects;
}

function load(): Objects {
  return loadBpf({ pinRoot: bpffs.path, build: "1.2.3" });
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

function stamp() {
  using map = BpfMap.fromPin(bpffs.join("maps", "dp_meta"), u32, dpMeta);
  return map.get(0);
}

/** dp_snat drops packets of an interface that is no server's, and counts them as nobody's. */
function drop(program: Program, times: number): void {
  for (let packet = 0; packet < times; packet++) program.testRun({ data: new Uint8Array(64) });
}

/** Adds to a number at this place in the first entry, on each CPU. */
function count(map: RawMap, offset: number, more: bigint): void {
  const [first] = map;
  if (first === undefined) throw new Error("it is empty");
  const [key, values] = first;
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

const IMAGES = () => ({ dnat: images.dnat(), snat: images.snat(), arp: images.arp(), tproxy: images.tproxy() });

describe("maps of another layout", () => {
  test("are read by their fields' names, and written, before anything is loaded", () => {
    loadOlder();
    using objects = previous();
    expect(objects.needsLoad).toContain("an older build, 0.0.1-other, loaded it: its maps are of layout");
    expect(contents(objects)).toMatchObject({
      config: CONFIG,
      records: [RECORD],
      dnat: [{ ...ENDPOINT, ...DNAT }],
      snat: [{ hostPeer: 7, ...SNAT }],
    });
    // As that build wrote it: the field it has in front of all others is zero, and then comes the state.
    using records = pinnedMap("maps/dp_net_records");
    const [value] = [...records][0]?.[1] ?? [];
    expect(value?.subarray(0, 12)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0));
    using opened = openPinned({ pinRoot: bpffs.path });
    expect(contents(opened)).toEqual(contents(objects));
  });

  test("are replaced with what is in them; the others, and what nobody may notice, stay as they were", () => {
    loadOlder();
    const before = pins();
    using old = previous();
    const was = contents(old);
    using objects = load();
    expect(contents(objects)).toEqual(was);
    expect(bpffs.list().filter((path) => path.startsWith("replaced"))).toHaveLength(CHANGED.length);
    expect(objects.finishUpgrade().toSorted()).toEqual(CHANGED);
    expect(contents(objects)).toEqual(was);
    expect(bpffs.list()).toEqual(before.map((pin) => pin.split(" ")[0] as string));
    const kept = pins().filter((pin) => before.includes(pin));
    const unchanged = Object.keys(mapLayouts).filter((name) => !CHANGED.includes(name));
    expect(kept.map((pin) => pin.split(" ")[0])).toEqual(unchanged.toSorted().map((name) => `maps/${name}`));
    expect(stamp()).toMatchObject({ layoutVersion: DpLayout.version, build: "1.2.3" });
    expect(objects.needsLoad).toBeUndefined();
    expect(objects.finishUpgrade()).toEqual([]);
  });

  test("and of this build's own are the same: nothing is replaced", () => {
    load().close();
    const before = pins().filter((pin) => pin.startsWith("maps"));
    using objects = load();
    expect(pins().filter((pin) => pin.startsWith("maps"))).toEqual(before);
    expect(objects.finishUpgrade()).toEqual([]);
  });

  test("of the same version with fields that are not known are not touched", () => {
    loadOlder(OLDER, { layoutVersion: DpLayout.version });
    const before = pins();
    const error = thrown(LayoutError, load);
    expect(error.message).toContain("legacy is __u64, this build needs absent");
    expect(pins()).toEqual(before);
  });

  test.each([
    [
      "another meaning",
      { "maps.h": [["__be32 addr; /* the container's */\n\t__be16 port", "__u32 addr;\n\t__be16 port"]] },
    ],
    ["less room", { "maps.h": [["#define DP_NETNS_LEN 128", "#define DP_NETNS_LEN 192"]] }],
  ] as [string, Edits][])("with a field of %s are refused by name, and nothing changes", (_, edits) => {
    loadOther(bpffs.path, otherBuild(edits));
    const before = pins();
    const error = thrown(LayoutError, load);
    expect(error.message).toMatch(/map dp_(dnat_targets addr is __u32|net_records netns is char\[192\]), this build/);
    expect(error.hint).toContain("dp unload");
    expect(pins()).toEqual(before);
  });

  test("that are another type of map are refused", () => {
    const hash =
      "__uint(type, BPF_MAP_TYPE_HASH);\n\t__uint(max_entries, 4096);\n\t__uint(map_flags, BPF_F_NO_PREALLOC);";
    const lru = "__uint(type, BPF_MAP_TYPE_LRU_HASH);\n\t__uint(max_entries, 4096);";
    loadOther(bpffs.path, otherBuild({ "maps.h": [[hash, lru]] }));
    expect(thrown(LayoutError, load).message).toContain("map dp_host_addrs (type) is lruHash, this build needs hash");
  });

  test("without any word of who made them lose nothing: a field that is not known is refused", () => {
    loadOther(bpffs.path, otherBuild(OLDER), { layoutVersion: "none" });
    expect(thrown(LayoutError, load).message).toContain("legacy is __u64, this build needs absent");
    rmSync(bpffs.join("maps"), { recursive: true });
    rmSync(bpffs.join("progs"), { recursive: true });
    loadOther(bpffs.path, otherBuild({}), { layoutVersion: "none" });
    expect(thrown(DatapathError, () => openPinned({ pinRoot: bpffs.path })).code).toBe("NOT_LOADED");
    load().close();
    expect(stamp()).toMatchObject({ layoutVersion: DpLayout.version });
  });

  test("with more entries than the new ones have room for change nothing", () => {
    loadOther(bpffs.path, otherBuild(OLDER), { maxEntries: { dp_host_addrs: 5000 } });
    using old = previous();
    fill(old);
    old.setHostAddresses(
      Array.from({ length: 4500 }, (_, index) => ({ address: `10.9.${index >> 8}.${index & 255}`, ifindex: 3 })),
    );
    const before = pins();
    const error = thrown(MapFullError, load);
    expect(error).toMatchObject({ map: "dp_host_addrs", maxEntries: 4096 });
    expect(pins()).toEqual(before);
    expect(old.hostAddresses()).toHaveLength(4500);
  });

  test("stay, when a program of the new build does not pass the verifier", () => {
    loadOlder();
    const before = pins();
    using old = previous();
    const was = contents(old);
    const bad = { ...IMAGES(), arp: fixture("refused") };
    expect(() => loadImages(bad, { pinRoot: bpffs.path })).toThrow(VerifierError);
    expect(pins()).toEqual(before);
    expect(contents(old)).toEqual(was);
    expect(stamp()).toMatchObject({ build: "0.0.1-other" });
  });
});

describe("what programs write while they are swapped", () => {
  test("counts once, whichever build's counted", () => {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    drop(old, 3);
    using objects = load();
    drop(old, 2);
    using now = pinnedProgram(bpffs.path, "dp_snat");
    drop(now, 4);
    expect(objects.finishUpgrade()).toContain("dp_drop_counts");
    drop(now, 1);
    expect(objects.counters(0)?.drops.unknownInterface).toBe(10n);
  });

  test("is each CPU's, and beside other fields of the same entry", () => {
    loadOlder();
    using old = pinnedMap("maps/dp_dnat_targets");
    // Behind the field that is not known any more.
    count(old, 24, 5n);
    using objects = load();
    count(old, 24, 2n);
    using now = pinnedMap("maps/dp_dnat_targets");
    count(now, 16, 1n);
    objects.finishUpgrade();
    expect(objects.dnatTargets()).toEqual([{ ...ENDPOINT, ...DNAT }]);
    const cpus = [...now][0]?.[1].length ?? 0;
    expect(objects.counters(7)?.in.packets).toBe(8n * BigInt(cpus));
  });

  test("is not lost when the upgrade is taken back, and nothing of the new build is left", () => {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    const was = pins();
    drop(old, 3);
    using before = snapshotPins({ pinRoot: bpffs.path });
    using objects = load();
    using now = pinnedProgram(bpffs.path, "dp_snat");
    drop(now, 4);
    drop(old, 1);
    before.restore();
    expect(pins()).toEqual(was);
    expect(stamp()).toMatchObject({ build: "0.0.1-other" });
    using still = previous();
    expect(still.counters(0)?.drops.unknownInterface).toBe(8n);
    expect(contents(still)).toMatchObject({ records: [RECORD], config: CONFIG });
    void objects;
  });

  test("goes on where a process that was killed has stopped", () => {
    loadOlder();
    using old = pinnedProgram(bpffs.path, "dp_snat");
    drop(old, 3);
    load().close();
    const left = bpffs.list();
    using killed = openPinned({ pinRoot: bpffs.path });
    expect(killed.needsLoad).toBe("an upgrade was not finished");
    expect(contents(killed)).toMatchObject({ records: [RECORD], config: CONFIG });
    drop(old, 2);
    using objects = load();
    expect(bpffs.list()).toEqual(left);
    expect(objects.finishUpgrade().toSorted()).toEqual(CHANGED);
    expect(objects.counters(0)?.drops.unknownInterface).toBe(5n);
    expect(objects.needsLoad).toBeUndefined();
  });
});

test("an upgrade that was not finished is taken down like any other", () => {
  loadOlder();
  using objects = load();
  objects.unpinAll();
  expect(bpffs.list()).toEqual([]);
});

test("thousands of entries of a per-CPU map are copied, though the kernel's memory for them comes in small pieces", () => {
  loadOlder();
  using old = pinnedMap("maps/dp_dnat_targets");
  const [, values] = [...old][0] ?? [new Uint8Array(), []];
  const keys = Array.from({ length: 5000 }, (_, port) => dpPublicKey.write({ addr: "192.0.2.1", port }));
  old.setMany(keys.map((key) => [key, values] as const));
  using objects = load();
  expect(objects.dnatTargets()).toHaveLength(5001);
});

describe("flows", () => {
  const key = (sport: number) => ({ container: "10.2.0.2", sport, protocol: 6 });
  const origin = (expires: bigint): DpOrigin => ({
    dst: "198.51.100.7",
    dport: 443,
    sport: 40000,
    listener: 9111,
    end: DpFlowEnd.timed,
    expires,
  });
  /** In an older build's map all fields but its own are where they are in this one's, as far as they matter here. */
  const put = (map: RawMap, sport: number, value: DpOrigin) => {
    const bytes = new Uint8Array(map.info.valueSize);
    bytes.set(dpOrigin.write(value).subarray(0, 24));
    map.set(dpOriginKey.write(key(sport)), [bytes]);
  };
  const read = (map: RawMap, sport: number) => {
    const [value] = map.get(dpOriginKey.write(key(sport))) ?? [];
    return value === undefined ? undefined : dpOrigin.read(value);
  };
  const LATER = 1n << 60n;

  test("go on in the new map, as what they came to in either", () => {
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
    // Programs of the older build: one is accepted, one is closed, one is gone, one is opened.
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
    using configs = pinnedMap("maps/dp_configs");
    const heldUntil = () => openPreviousConfig()?.heldUntil ?? 0n;
    expect(heldUntil()).toBe(0n);
    using objects = load();
    const [value] = [...configs][0]?.[1] ?? [];
    const inOld = new DataView((value ?? new Uint8Array(96)).buffer).getBigUint64(88, true);
    expect(inOld).toBeGreaterThan(monotonicNow());
    expect(heldUntil()).toBe(inOld);
    objects.finishUpgrade();
    expect(heldUntil()).toBe(0n);
  });

  test("of a removed map that programs still have are the sweep's: the kernel has ended their timers", () => {
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

describe("a new table of players", () => {
  test("takes everybody for one who is there already", () => {
    loadOlder();
    load().close();
    expect(openPreviousConfig()?.playersFrom).toBeGreaterThanOrEqual(2 ** 31);
  });

  test("knows that nobody is there on a host without servers", () => {
    load().close();
    load().close();
    expect(openPreviousConfig()?.playersFrom).toBe(0);
  });
});

describe("a newer build's load", () => {
  test("is opened by nothing, and not changed", () => {
    loadOther(bpffs.path, otherBuild({}), { layoutVersion: DpLayout.version + 1 });
    const before = pins();
    for (const open of [load, previous, () => openPinned({ pinRoot: bpffs.path })]) {
      const error = thrown(DatapathError, open);
      expect(error.code).toBe("CONFLICT");
      expect(error.reason).toBe(
        `a newer build, 0.0.1-other, loaded it: its maps are of layout ${DpLayout.version + 1}, ` +
          `this build knows ${DpLayout.version}`,
      );
      expect(error.hint).toContain("dp unload");
    }
    expect(pins()).toEqual(before);
  });
});

describe("pins that were removed", () => {
  /** An uplink with dp_dnat on it, and a cgroup's worth of nothing: what holds all maps is enough. */
  function running(body: (namespace: NetworkNamespace) => void): void {
    using namespace = NetworkNamespace.withPair();
    using objects = load();
    fill(objects);
    withNetns(namespace.fd, () => {
      objects.attachAndPinDnat(readInterface("dp0"));
      objects.attachAndPinSnat(readInterface("dp1"));
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
      expect(thrown(DatapathError, () => openPinned({ pinRoot: bpffs.path })).code).toBe("NOT_LOADED");
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
      expect(objects.missing()).toEqual([]);
      rmSync(bpffs.join("progs", "dp_arp"));
      using another = previous();
      expect(another.missing()).toEqual([bpffs.join("progs", "dp_arp")]);
    });
  });

  test("of everything but a link are made again", () => {
    running((namespace) => {
      rmSync(bpffs.join("maps"), { recursive: true });
      for (const path of bpffs.list()) if (path !== "progs/dp_dnat_dp0") rmSync(bpffs.join(path));
      using objects = withNetns(namespace.fd, load);
      expect(contents(objects)).toMatchObject({ records: [RECORD], config: CONFIG, snat: [{ hostPeer: 7, ...SNAT }] });
      expect(objects.missing()).toEqual([]);
    });
  });
});
