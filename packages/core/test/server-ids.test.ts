/** Ids of servers: the lowest free one, and none that anything still carries. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { DpChangeKind, DpFamily } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import type { Maps } from "../src/objects/maps.ts";
import { Containers } from "../src/objects/stores/containers.ts";
import { Drops } from "../src/objects/stores/drops.ts";
import { Endpoints, entriesOf } from "../src/objects/stores/endpoints.ts";
import { Flows } from "../src/objects/stores/flows.ts";
import { HostPeers } from "../src/objects/stores/host-peers.ts";
import { Players } from "../src/objects/stores/players.ts";
import { Records } from "../src/objects/stores/records.ts";
import { entryOf, ServerEntries } from "../src/objects/stores/server-entries.ts";
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
  const endpoints = new Endpoints(maps.endpoints);
  stores = {
    records: new Records(maps, endpoints),
    endpoints,
    servers: new ServerEntries(maps.servers),
    containers: new Containers(maps.containers),
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
    expect(ids.claim()).toBe(4);
    expect(kindOf(4)).toBe("running");
    expect(ids.claim()).toBe(5);
    interfaces.delete("dp3");
    expect(ids.claim()).toBe(3);
  });

  test("is at most the number of servers there is room for", () => {
    for (let id = 1; id <= MAX_SERVERS; id++) expect(ids.claim()).toBe(id);
    const error = thrown(DatapathError, () => ids.claim());
    expect([error.code, error.reason]).toEqual(["FAILED", "all 6 ids are taken"]);
    expect(error.hint).toContain("--max-servers");
  });

  test("of a removed server is free again after a while, and not before", () => {
    for (let id = 1; id <= 3; id++) ids.claim();
    removed(1, 1000);
    removed(2, 3000);
    expect(ids.claim()).toBe(2);
    expect([kindOf(1), kindOf(2)]).toEqual(["removed", "running"]);
    expect(ids.claim()).toBe(4);
    removed(1, 3000);
    expect(ids.release()).toEqual([1]);
    expect(ids.claim()).toBe(1);
  });

  test("of a server that is being changed is not released", () => {
    ids.claim();
    maps.changes.set(1, { since: 0n, kind: DpChangeKind.running });
    expect([ids.release(), ids.claim()]).toEqual([[], 2]);
  });
});

describe("the id of a removed server is not free as long as there is", () => {
  const parts: [what: string, make: () => void, remove: () => void][] = [
    ["its record", () => maps.records.set(1, encodeRecord({ ...LOBBY, id: 1 })), () => maps.records.delete(1)],
    [
      "an entry of its endpoints",
      () => stores.endpoints.setMany(entriesOf({ ...LOBBY, id: 1 })),
      () => maps.endpoints.clear(),
    ],
    ["its server entry", () => stores.servers.set(9, entryOf({ ...LOBBY, id: 1 }, 0)), () => stores.servers.delete(9)],
    [
      "an entry of its container",
      () => stores.containers.set("10.2.0.2", { server: 1, hostPeer: 9 }),
      () => stores.containers.delete("10.2.0.2"),
    ],
    [
      "its host peer",
      () => namespace.inside(() => stores.hostPeers.set(1, namespace.index("dp0"))),
      () => stores.hostPeers.delete(1),
    ],
    ["its table of players", () => stores.players.add(1), () => stores.players.delete(1)],
    ["its drop counts", () => stores.drops.add(1), () => stores.drops.delete(1)],
    [
      "a flow as the container sees it",
      () =>
        maps.flows.set(
          { server: 1, dst: "198.51.100.1", sport: 1, dport: 2, protocol: 6, family: DpFamily.ipv4 },
          { sport: 1, listener: 2 },
        ),
      () => maps.flows.clear(),
    ],
    [
      "a flow as the proxy sees it",
      () =>
        maps.origins.set(
          { server: 1, sport: 1, protocol: 6, family: DpFamily.ipv4 },
          { dst: "198.51.100.1", dport: 2, sport: 1, listener: 2, end: 0, expires: 0n },
        ),
      () => maps.origins.clear(),
    ],
    ["its interface", () => interfaces.add("dp1"), () => interfaces.delete("dp1")],
  ];

  test.each(parts)("%s", (what, make, remove) => {
    expect([ids.claim(), ids.claim()]).toEqual([1, 2]);
    removed(1, 3000);
    removed(2, 3000);
    make();
    // The other id is free, whatever carries this one. An interface carries no id in a map.
    expect(ids.release()).toEqual(what === "its interface" ? [1, 2] : [2]);
    expect(ids.claim()).toBe(2);
    remove();
    expect(ids.claim()).toBe(1);
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
        if (free === undefined) expect(() => ids.claim()).toThrow("all 6 ids are taken");
        else expect(ids.claim()).toBe(free);
        if (free !== undefined) used.add(free);
      }
    }),
    { numRuns: 100 },
  );
});
