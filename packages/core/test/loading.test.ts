/** Loading the real programs. Every test has a bpffs of its own. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { mapLayouts } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  LayoutError,
  loadBpf,
  MapFullError,
  type Objects,
  openPinned,
  PROG_PIN_PATH,
  type ServerRecord,
  VerifierError,
} from "../src/index.ts";
import { BpfObject, Program, u32 } from "../src/libbpf/index.ts";
import { requirePin } from "../src/libbpf/pin.ts";
import { openRaw } from "../src/libbpf/raw-map.ts";
import { PINNED_PROGRAMS } from "../src/objects/programs/program-table.ts";
import { sizeFor } from "../src/objects/upgrade/map-sizes.ts";
import { loadBuild } from "../src/objects/upgrade/open.ts";
import { fixture } from "./support/fixture.ts";
import { CONFIG, LOBBY } from "./support/lobby.ts";

requireRoot();

let bpffs: Bpffs;

forEachTest(() => (bpffs = new Bpffs()));

/** What a load pins. */
const PINS = [
  ...Object.keys(mapLayouts).map((name) => `maps/${name}`),
  ...PINNED_PROGRAMS.map(({ name }) => `progs/dp_${name}`),
].toSorted();

function load(options: Parameters<typeof loadBpf>[0] = {}): Objects {
  return loadBpf({ pinRoot: bpffs.path, ...options });
}

function programIds(): number[] {
  return PINNED_PROGRAMS.map(({ name }) => {
    using program = Program.fromPin(bpffs.join("progs", `dp_${name}`));
    return program.id;
  });
}

test("the default pin root's programs have a name in the API", () => {
  expect(PROG_PIN_PATH).toBe("/sys/fs/bpf/progs");
});

describe("loading", () => {
  test("pins programs and maps under the pin root, and they stay", () => {
    load().close();
    expect(bpffs.list()).toEqual(PINS);
    using opened = openPinned({ pinRoot: bpffs.path });
    expect(opened.pinRoot).toBe(bpffs.path);
    expect(opened.drops.read()?.malformed).toBe(0n);
  });

  test("again keeps the maps with their contents, and replaces the programs", () => {
    using first = load();
    first.config.set(CONFIG);
    const before = programIds();
    using second = load();
    expect(second.config.get()).toEqual(CONFIG);
    const after = programIds();
    expect(after.some((id) => before.includes(id))).toBe(false);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("makes a pin root that is a folder of the bpffs", () => {
    using objects = load({ pinRoot: bpffs.join("tenant") });
    expect(bpffs.list()).toEqual(PINS.map((pin) => `tenant/${pin}`));
    expect(objects.records.all()).toEqual([]);
  });

  test("outside a bpffs is refused, with what to do, and makes nothing", () => {
    const error = thrown(DatapathError, () => loadBpf({ pinRoot: "/tmp/coretest-nowhere" }));
    expect(error.message).toBe("pin at /tmp/coretest-nowhere: /tmp is not on a bpffs");
    expect(error.hint).toBe("mount one: mount -t bpf bpf /tmp/coretest-nowhere");
    expect(() => loadBpf({ pinRoot: "/tmp/no/such/folder" })).toThrow("/tmp/no/such does not exist");
  });

  test("removes what a process that was killed while it replaced a pin left", () => {
    load().close();
    using program = Program.fromPin(bpffs.join("progs", "dp_arp"));
    program.pin(bpffs.join("progs", "tmp_123_4"));
    load().close();
    expect(bpffs.list()).toEqual(PINS);
  });

  test("makes room for as many servers as asked", () => {
    load({ maxServers: 2 }).close();
    for (const { name, maxEntries } of Object.values(mapLayouts)) {
      expect([name, room(name)]).toEqual([name, sizeFor(name, 2) ?? maxEntries]);
    }
    using objects = openPinned({ pinRoot: bpffs.path });
    for (const id of [1, 2]) objects.records.set(server(id));
    const error = thrown(MapFullError, () => objects.records.set(server(3)));
    expect(error.message).toContain("it is full: it has room for 2 entries");
    expect(error.hint).toContain("maxServers");
    // The drop counts of no server have an entry besides the servers'.
    for (const id of [1, 2]) objects.drops.add(id);
    expect(() => objects.drops.add(3)).toThrow(MapFullError);
  });

  test("by default makes the room that the maps are declared with", () => {
    const servers = mapLayouts.dp_records.maxEntries;
    for (const { name, maxEntries } of Object.values(mapLayouts)) {
      expect([name, sizeFor(name, servers) ?? maxEntries]).toEqual([name, maxEntries]);
    }
    load().close();
    for (const { name, maxEntries } of Object.values(mapLayouts))
      expect([name, room(name)]).toEqual([name, maxEntries]);
  });

  test("with more servers than before makes room for them, and keeps those there are", () => {
    using first = load({ maxServers: 2 });
    for (const id of [1, 2]) first.records.set(server(id));
    first.players.add(2);
    using objects = load({ maxServers: 3 });
    objects.records.set(server(3));
    objects.players.add(3);
    expect(() => objects.records.set(server(4))).toThrow(MapFullError);
    expect(objects.finishUpgrade()).toContain("dp_records");
    // As before, when nothing is said.
    using again = load();
    expect(again.finishUpgrade()).toEqual([]);
    expect(room("dp_endpoints")).toBe(3 * 64);
    expect(again.records.all()).toEqual([server(1), server(2), server(3)]);
    expect(again.players.ids()).toEqual([2, 3]);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("with fewer servers than before, or a number that cannot be, is refused, and changes nothing", () => {
    load({ maxServers: 3 }).close();
    const before = programIds();
    const error = thrown(DatapathError, () => load({ maxServers: 2 }));
    expect([error.code, error.reason]).toEqual([
      "BAD_USAGE",
      "maxServers is 2, and the maps have room for 3 servers already: it can only grow",
    ]);
    expect(error.hint).toContain("dp unload");
    for (const maxServers of [0, -1, 1.5, 65_537]) {
      expect(thrown(DatapathError, () => load({ maxServers })).code).toBe("BAD_USAGE");
    }
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
  });
});

function room(map: string): number {
  using opened = openRaw(requirePin(bpffs.join("maps", map), "map"));
  return opened.info.maxEntries;
}

/** A server like the lobby, with what is its own. */
function server(id: number): ServerRecord {
  const forwards = LOBBY.forwards.map((forward) => ({ ...forward, port: 25_570 + id, counter: id }));
  return { ...LOBBY, id, name: `server-${id}`, netns: { ...LOBBY.netns, cookie: BigInt(id) }, forwards };
}

describe("a load that fails", () => {
  test("at the verifier leaves nothing on a root that was empty", () => {
    const error = thrown(VerifierError, () =>
      loadBuild({ pinRoot: bpffs.path }, { images: { arp: fixture("refused") } }),
    );
    expect(error.program).toBe("reads_past_end");
    expect(bpffs.list()).toEqual([]);
    expect(() => openPinned({ pinRoot: bpffs.path })).toThrow("nothing is loaded there");
  });

  test("at the verifier leaves a loaded root as it was, and running", () => {
    using objects = load();
    objects.config.set(CONFIG);
    const before = programIds();
    const images = { arp: fixture("refused") };
    expect(() => loadBuild({ pinRoot: bpffs.path }, { images })).toThrow(VerifierError);
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
    expect(objects.config.get()).toEqual(CONFIG);
  });

  test("at the last pin takes the others back", () => {
    load().close();
    const before = programIds();
    // A folder where the last program is to be pinned: the rename over it fails after the others.
    const path = bpffs.join("progs", `dp_${PINNED_PROGRAMS.at(-1)?.name}`);
    using last = Program.fromPin(path);
    rmSync(path);
    mkdirSync(path);
    expect(() => load()).toThrow(DatapathError);
    rmdirSync(path);
    last.pin(path);
    expect(programIds()).toEqual(before);
    expect(bpffs.list()).toEqual(PINS);
  });

  test("at the last pin of a root that was empty leaves no pin", () => {
    mkdirSync(bpffs.join("progs"));
    mkdirSync(bpffs.join("progs", `dp_${PINNED_PROGRAMS.at(-1)?.name}`));
    expect(() => load()).toThrow(DatapathError);
    expect(bpffs.list()).toEqual([]);
  });

  test("on an object of another layout says structure and field", () => {
    const images = { arp: fixture("other_layout") };
    const error = thrown(LayoutError, () => loadBuild({ pinRoot: bpffs.path }, { images }));
    expect(error.struct).toBe("dp_config");
    expect(error.message).toContain("load BPF object arp: dp_config");
    expect(bpffs.list()).toEqual([]);
  });

  test("on a pinned map of another layout says which, and how to go on", () => {
    using other = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    mkdirSync(bpffs.join("maps"));
    other.map("slots", u32, u32).pin(bpffs.join("maps", "dp_configs"));
    const error = thrown(LayoutError, () => load());
    expect(error).toMatchObject({ struct: "map dp_configs", field: "(value)", actual: "__u32" });
    expect(error.hint).toContain("unload");
    expect(bpffs.list()).toEqual(["maps/dp_configs"]);
  });
});

describe("opening what is pinned", () => {
  test("is NOT_LOADED where nothing is, or where it is incomplete", () => {
    expect(thrown(DatapathError, () => openPinned({ pinRoot: bpffs.path })).code).toBe("NOT_LOADED");
    expect(thrown(DatapathError, () => openPinned({ pinRoot: "/no/such/root" })).code).toBe("NOT_LOADED");
    load().close();
    rmSync(bpffs.join("maps", "dp_configs"));
    const error = thrown(DatapathError, () => openPinned({ pinRoot: bpffs.path }));
    expect(error).toMatchObject({ code: "NOT_LOADED", hint: "run `dp load`" });
    expect(error.message).toContain("maps/dp_configs is missing");
    load().close();
    expect(bpffs.list()).toEqual(PINS);
  });
});
