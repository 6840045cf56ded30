/** Ids of servers: the lowest free one, and none that anything still carries. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { DpChangeKind } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import type { Maps } from "../src/objects/maps.ts";
import { Drops } from "../src/objects/stores/drops.ts";
import { Endpoints } from "../src/objects/stores/endpoints.ts";
import { Flows } from "../src/objects/stores/flows.ts";
import { HostPeers } from "../src/objects/stores/host-peers.ts";
import { Players } from "../src/objects/stores/players.ts";
import { Records } from "../src/objects/stores/records.ts";
import { type IdStores, ServerIds } from "../src/objects/stores/server-ids.ts";
import { encodeRecord } from "../src/objects/stores/server-record.ts";
import { encodeTime } from "../src/objects/stores/time.ts";
import { LOBBY } from "./support/lobby.ts";
import { openPinnedMaps, pinMaps } from "./support/pinned-maps.ts";

requireRoot();

const MAX_SERVERS = 6;

let namespace: NetworkNamespace;
let bpffs: Bpffs;
let maps: Maps & Disposable;
let stores: IdStores;
let interfaces: Set<string>;
let ids: ServerIds;

beforeAll(() => {
  namespace = NetworkNamespace.withPair();
});
afterAll(() => {
  namespace[Symbol.dispose]();
  expect(openBpfDescriptors()).toEqual([]);
});
beforeEach(() => {
  bpffs = new Bpffs();
  pinMaps(bpffs.path, { dp_records: MAX_SERVERS });
  maps = openPinnedMaps(bpffs.path);
  stores = {
    records: new Records(maps, new Endpoints(maps.endpoints)),
    hostPeers: new HostPeers(maps.hostPeers),
    players: new Players(maps.players),
    drops: new Drops(maps.dropCounts),
    flows: new Flows(maps),
  };
  interfaces = new Set();
  ids = new ServerIds(stores, (name) => interfaces.has(name));
});
afterEach(() => {
  maps[Symbol.dispose]();
  bpffs[Symbol.dispose]();
});

/** Takes the lowest free id, as adding a server does. */
function take(): number {
  const id = ids.lowestFree();
  stores.records.changes.begin(id);
  return id;
}

/** Removes a server, as far as ids are concerned, so long ago. */
function removed(id: number, milliseconds: number): void {
  const since = encodeTime(new Date(Date.now() - milliseconds));
  maps.changes.set(id, { since, kind: DpChangeKind.removed });
}

function kindOf(id: number): string | undefined {
  return stores.records.changes.get(id)?.kind;
}

describe("an id", () => {
  test("is the lowest from 1 that has no record, no change and no interface", () => {
    maps.records.set(1, encodeRecord(LOBBY));
    stores.records.changes.begin(2);
    interfaces.add("dp3");
    expect(take()).toBe(4);
    expect(kindOf(4)).toBe("running");
    expect(take()).toBe(5);
    interfaces.delete("dp3");
    expect(take()).toBe(3);
  });

  test("is at most the number of servers there is room for", () => {
    for (let id = 1; id <= MAX_SERVERS; id++) expect(take()).toBe(id);
    const error = thrown(DatapathError, () => take());
    expect([error.code, error.reason]).toEqual(["FAILED", "all 6 ids are taken"]);
    expect(error.hint).toContain("--max-servers");
  });

  test("of a removed server is free again after a while, and not before", () => {
    for (let id = 1; id <= 3; id++) take();
    removed(1, 1000);
    removed(2, 3000);
    expect(take()).toBe(2);
    expect([kindOf(1), kindOf(2)]).toEqual(["removed", "running"]);
    expect(take()).toBe(4);
    removed(1, 3000);
    expect(ids.release()).toEqual([1]);
    expect(take()).toBe(1);
  });

  test("of a removed server is waited for when no other is free", () => {
    for (let id = 1; id <= MAX_SERVERS; id++) take();
    removed(3, 1900);
    removed(5, 1000);
    expect(take()).toBe(3);
    expect([kindOf(3), kindOf(5)]).toEqual(["running", "removed"]);
  });

  test("of a removed server is not waited for while something carries it", () => {
    for (let id = 1; id <= MAX_SERVERS; id++) take();
    removed(3, 3000);
    stores.drops.add(3);
    expect(() => take()).toThrow("all 6 ids are taken");
  });

  test("of a server that is being changed is not released", () => {
    take();
    maps.changes.set(1, { since: 0n, kind: DpChangeKind.running });
    expect([ids.release(), take()]).toEqual([[], 2]);
  });
});

describe("the id of a removed server is not free as long as there is", () => {
  const parts: [what: string, make: () => void, remove: () => void][] = [
    ["its record", () => maps.records.set(1, encodeRecord({ ...LOBBY, id: 1 })), () => maps.records.delete(1)],
    [
      "its host peer",
      () => namespace.inside(() => stores.hostPeers.set(1, namespace.index("dp0"))),
      () => stores.hostPeers.delete(1),
    ],
    ["its table of players", () => stores.players.add(1), () => stores.players.delete(1)],
    ["its drop counts", () => stores.drops.add(1), () => stores.drops.delete(1)],
    ["a flow", () => maps.flowCounts.set(1, { flows: 1 }), () => maps.flowCounts.set(1, { flows: 0 })],
    ["its interface", () => interfaces.add("dp1"), () => interfaces.delete("dp1")],
  ];

  test.each(parts)("%s", (what, make, remove) => {
    expect([take(), take()]).toEqual([1, 2]);
    removed(1, 3000);
    removed(2, 3000);
    make();
    // The other id is free, whatever carries this one. An interface carries no id in a map.
    expect(ids.release()).toEqual(what === "its interface" ? [1, 2] : [2]);
    expect(take()).toBe(2);
    remove();
    expect(take()).toBe(1);
  });
});

test("whatever comes and goes, an id in use is not given out, and each free one is", () => {
  const step = fc.record({
    what: fc.constantFrom("claim", "claim", "remove", "link"),
    id: fc.integer({ min: 1, max: 6 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      maps.changes.clear();
      interfaces.clear();
      stores.records.setFreeFrom({ id: 1 });
      const used = new Set<number>();
      for (const { what, id } of steps) {
        const name = `dp${id}`;
        if (what === "link" && !interfaces.delete(name)) interfaces.add(name);
        if (what === "remove" && used.delete(id)) removed(id, 3000);
        if (what !== "claim") continue;
        const all = Array.from({ length: MAX_SERVERS }, (_, at) => at + 1);
        const free = all.find((each) => !used.has(each) && !interfaces.has(`dp${each}`));
        if (free === undefined) expect(() => take()).toThrow("all 6 ids are taken");
        else expect(take()).toBe(free);
        if (free !== undefined) used.add(free);
      }
    }),
    { numRuns: 100 },
  );
});
