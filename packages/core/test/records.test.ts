/**
 * The records of servers in real maps: found by what they have, also after a command was killed while it wrote them.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { DatapathError, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import { MapFullError } from "../src/libbpf/index.ts";
import type { Maps } from "../src/objects/maps.ts";
import type { Endpoint } from "../src/objects/stores/endpoint.ts";
import { type EndpointEntry, Endpoints } from "../src/objects/stores/endpoints.ts";
import type { Forward } from "../src/objects/stores/forward.ts";
import { Groups } from "../src/objects/stores/groups.ts";
import { Records } from "../src/objects/stores/records.ts";
import { encodeRecord, type ServerRecord } from "../src/objects/stores/server-record.ts";
import { ENDPOINT, LOBBY } from "./support/lobby.ts";
import { openPinnedMaps, pinMaps } from "./support/pinned-maps.ts";

requireRoot();

const MAX_SERVERS = 64;

let bpffs: Bpffs;
let maps: Maps & Disposable;
let endpoints: Endpoints;
let records: Records;

beforeAll(() => {
  bpffs = new Bpffs();
  pinMaps(bpffs.path, {
    dp_records: MAX_SERVERS,
    dp_names: MAX_SERVERS,
    dp_namespaces: MAX_SERVERS,
    dp_groups: MAX_SERVERS,
  });
});
afterAll(() => {
  bpffs[Symbol.dispose]();
  expect(openBpfDescriptors()).toEqual([]);
});
beforeEach(() => {
  maps = openPinnedMaps(bpffs.path);
  for (const each of ["records", "names", "namespaces", "endpoints", "changes", "groups"] as const) maps[each].clear();
  endpoints = new Endpoints(maps.endpoints);
  records = new Records(maps, endpoints);
});
afterEach(() => maps[Symbol.dispose]());

const FORWARD = LOBBY.forwards[0] as Forward;

/** A server: everything only one server has differs by the id. */
function server(id: number, more: Partial<ServerRecord> = {}): ServerRecord {
  return {
    ...LOBBY,
    id,
    name: `server ${id}`,
    group: "",
    netns: { ...LOBBY.netns, cookie: 100n + BigInt(id) },
    hostPeer: { ...LOBBY.hostPeer, ifindex: id + 1, name: `dp${id}` },
    addresses: { ipv4: { container: `10.2.0.${id}`, gateway: `10.1.0.${id}` } },
    forwards: [{ ...FORWARD, port: 25565 + id, counter: id }],
    ...more,
  };
}

/** The entry of server 1, as its record says. */
const ENTRY: EndpointEntry = {
  server: 1,
  counter: 1,
  containerAddress: "10.2.0.1",
  containerPort: 25565,
  containerMac: LOBBY.containerPeer.mac,
  open: false,
};

const endpointAt = (port: number): Endpoint => ({ ...ENDPOINT, port });
const endpointOf = ({ forwards }: ServerRecord) => endpointAt((forwards[0] as Forward).port);
const byAll = (record: ServerRecord) => [
  records.find({ endpoint: endpointOf(record) }),
  records.find({ name: record.name }),
  records.find({ netnsCookie: record.netns.cookie }),
];
const names = () => Array.from(maps.names.keys(), ({ text }) => text).sort();
const ports = () =>
  endpoints
    .all()
    .map(([{ port }]) => port)
    .sort((one, other) => one - other);

describe("a record", () => {
  test("is found by its endpoint, its name and its namespace, and by none of them once it is deleted", () => {
    const [one, other] = [server(1), server(2)];
    records.set(one, "create");
    records.set(other, "create");
    expect(records.get(1)).toEqual(one);
    expect(byAll(one)).toEqual([one, one, one]);
    expect(byAll(other)).toEqual([other, other, other]);
    expect([records.delete(1), records.delete(1)]).toEqual([true, false]);
    expect(byAll(one)).toEqual([undefined, undefined, undefined]);
    expect(byAll(other)).toEqual([other, other, other]);
    expect([names(), ports()]).toEqual([["server 2"], [25567]]);
  });

  test("is found by each endpoint of a range, and of each of its forwards", () => {
    const forwards: Forward[] = [
      { ...FORWARD, port: 30000, count: 1000, containerPort: 30000 },
      { ...FORWARD, port: 30000, protocol: "udp", containerPort: 24454 },
      { ...FORWARD, address: "2001:db8::10" },
    ];
    const record = server(1, { forwards });
    records.set(record);
    for (const endpoint of [
      endpointAt(30000),
      endpointAt(30999),
      { ...endpointAt(30000), protocol: "udp" },
      { ...ENDPOINT, address: "2001:db8::10" },
    ] as const) {
      expect(records.find({ endpoint })).toEqual(record);
    }
    for (const endpoint of [endpointAt(29999), endpointAt(31000), { ...endpointAt(30001), protocol: "udp" }] as const) {
      expect(records.find({ endpoint })).toBeUndefined();
    }
    records.delete(1);
    expect(ports()).toEqual([]);
  });

  test("has closed endpoint entries from the start, and keeps those that were opened", () => {
    const record = server(1, { state: "pending" });
    records.set(record, "create");
    expect(endpoints.all()).toEqual([[endpointAt(25566), ENTRY]]);
    endpoints.set(endpointAt(25566), { ...ENTRY, open: true });
    const more = [...record.forwards, { ...FORWARD, port: 4000, containerPort: 4000 }];
    records.set({ ...record, state: "active", forwards: more }, "replace");
    expect([endpoints.get(endpointAt(25566))?.open, endpoints.get(endpointAt(4000))?.open]).toEqual([true, false]);
  });

  test("with the same port on another address, or for another protocol, is another server's", () => {
    const one = server(1);
    const others = [
      server(2, { forwards: [{ ...FORWARD, port: 25566, address: "203.0.113.11" }] }),
      server(3, { forwards: [{ ...FORWARD, port: 25566, protocol: "udp" }] }),
    ];
    for (const record of [one, ...others]) records.set(record, "create");
    expect(records.find({ endpoint: endpointAt(25566) })).toEqual(one);
    expect(records.find({ endpoint: { ...endpointAt(25566), protocol: "udp" } })).toEqual(others[1]);
    expect(records.all()).toEqual([one, ...others]);
  });

  test("that changes is found by what it has now, and no longer by what it had", () => {
    const before = server(1, { forwards: [{ ...FORWARD, port: 1000, count: 10 }] });
    const after = server(1, { forwards: [{ ...FORWARD, port: 1005, count: 10 }], name: "moved" });
    records.set(before);
    records.set(after, "replace");
    expect(byAll(after)).toEqual([after, after, after]);
    expect(records.find({ name: before.name })).toBeUndefined();
    expect([names(), ports()]).toEqual([["moved"], Array.from({ length: 10 }, (_, index) => 1005 + index)]);
  });

  test("without a name or a known namespace is in no index of them", () => {
    const nameless = (id: number) => server(id, { name: "", netns: { cookie: 0n, inode: 0n, path: "" } });
    records.set(nameless(1));
    records.set(nameless(2));
    expect([[...maps.names], [...maps.namespaces]]).toEqual([[], []]);
    expect([records.find({ name: "" }), records.find({ netnsCookie: 0n })]).toEqual([undefined, undefined]);
    records.reindex();
    expect([[...maps.names], [...maps.namespaces]]).toEqual([[], []]);
  });

  for (const [what, taken] of [
    ["203.0.113.10:25566/tcp", { forwards: [{ ...FORWARD, port: 25560, count: 20 }] }],
    ["the name server 1", { name: "server 1" }],
    ["the network namespace /run/netns/lobby", { netns: { ...LOBBY.netns, cookie: 101n } }],
  ] as const) {
    test(`that would have what another server has is refused, and nothing changed: ${what}`, () => {
      const one = server(1);
      records.set(one);
      const error = thrown(DatapathError, () => records.set(server(2, taken), "create"));
      expect(error).toMatchObject({ code: "CONFLICT", reason: `${what} is taken by server server 1 (id 1)` });
      expect(records.all()).toEqual([one]);
      expect(byAll(one)).toEqual([one, one, one]);
      expect([names(), ports(), [...maps.namespaces].length]).toEqual([["server 1"], [25566], 1]);
    });
  }

  test("with two forwards to one container port is refused, and leaves no trace", () => {
    const forwards = [FORWARD, { ...FORWARD, port: 25571 }];
    const error = thrown(DatapathError, () => records.set(server(1, { forwards })));
    expect(error).toMatchObject({ code: "BAD_USAGE", op: "store the record of server server 1 (id 1)" });
    expect(error.reason).toContain("lead to the same container port");
    expect([records.all(), names(), ports()]).toEqual([[], [], []]);
  });

  test("that the kernel refuses leaves no trace in the index", () => {
    expect(thrown(SyscallError, () => records.set(server(1), "replace")).errnoName).toBe("ENOENT");
    records.set(server(2));
    expect(thrown(SyscallError, () => records.set(server(2, { name: "other" }), "create")).errnoName).toBe("EEXIST");
    expect([names(), ports()]).toEqual([["server 2"], [25567]]);
  });

  test("with a name that does not fit leaves no trace in the index", () => {
    expect(thrown(DatapathError, () => records.set(server(1, { owner: "x".repeat(96) }))).code).toBe("BAD_USAGE");
    expect([names(), ports()]).toEqual([[], []]);
  });

  test("that finds no room leaves no trace in the index", () => {
    for (let id = 1; id <= MAX_SERVERS; id++) records.set(server(id));
    // The names are full as well: freed for this one, so that the record is what is refused.
    maps.names.delete({ text: "server 1" });
    maps.namespaces.delete({ cookie: 101n });
    expect(() => records.set(server(MAX_SERVERS + 1))).toThrow(MapFullError);
    expect(records.all()).toHaveLength(MAX_SERVERS);
    expect([names().length, ports().length]).toEqual([MAX_SERVERS - 1, MAX_SERVERS]);
  });
});

describe("what a killed command has left of the index", () => {
  test("is an orphan, and the next server that wants it gets it", () => {
    const [one, other] = [server(1), server(2)];
    records.set(one);
    // Of a record that was never written, and of one that has another name and other endpoints.
    maps.names.set({ text: "half" }, 9);
    maps.names.set({ text: other.name }, 1);
    endpoints.set(endpointOf(other), { ...ENTRY, server: 1 });
    expect(records.find({ name: "half" })).toBeUndefined();
    expect(byAll(other)).toEqual([undefined, undefined, undefined]);
    records.set(other, "create");
    expect(byAll(other)).toEqual([other, other, other]);
    expect(endpoints.get(endpointOf(other))).toMatchObject({ server: 2, counter: 2, open: false });
    records.reindex();
    expect(names()).toEqual([one.name, other.name]);
  });

  test("stays when the server that does not have it is deleted", () => {
    const [one, other] = [server(1), server(2)];
    records.set(one);
    records.set(other);
    // A record without index entries: it has the name, the namespace and the endpoint of others.
    maps.records.set(3, encodeRecord({ ...one, name: other.name }));
    records.delete(3);
    expect(byAll(one)).toEqual([one, one, one]);
    expect(byAll(other)).toEqual([other, other, other]);
  });

  test("is made whole from the records", () => {
    const all = [server(1), server(2), server(3, { forwards: [{ ...FORWARD, port: 1000, count: 100 }] })];
    for (const record of all) records.set(record);
    for (const map of [maps.names, maps.namespaces, maps.endpoints]) map.clear();
    maps.names.set({ text: "half" }, 9);
    endpoints.set(endpointAt(5), { ...ENTRY, server: 9, open: false });
    endpoints.set(endpointAt(6), { ...ENTRY, server: 9, open: true });
    expect(byAll(all[1] as ServerRecord)).toEqual([undefined, undefined, undefined]);
    records.reindex();
    for (const record of all) expect(byAll(record)).toEqual([record, record, record]);
    // An orphaned endpoint entry stays only when it is open.
    expect([names().length, ports().length]).toEqual([3, 103]);
    expect([endpoints.get(endpointAt(5)), endpoints.get(endpointAt(6))?.server]).toEqual([undefined, 9]);
  });

  test("is made whole without closing what is open", () => {
    records.set(server(1));
    endpoints.set(endpointAt(25566), { ...ENTRY, open: true });
    records.reindex();
    expect(endpoints.get(endpointAt(25566))?.open).toBe(true);
  });
});

describe("changes", () => {
  test("are known until they end", () => {
    const { changes } = records;
    changes.begin(2);
    changes.begin(1);
    changes.begin(2);
    expect(changes.all().map(({ id, kind }) => [id, kind])).toEqual([
      [1, "running"],
      [2, "running"],
    ]);
    changes.end(1);
    changes.end(2);
    changes.end(2);
    expect(changes.all()).toEqual([]);
  });

  test("of a removed server say since when", () => {
    const { changes } = records;
    const before = Date.now();
    changes.begin(1);
    changes.remove(1);
    const change = changes.get(1);
    expect(change).toMatchObject({ id: 1, kind: "removed" });
    expect(change?.since.getTime()).toBeGreaterThanOrEqual(before);
    expect(changes.get(2)).toBeUndefined();
  });
});

test("where to look for something free is kept, one thing at a time", () => {
  records.setFreeFrom({ id: 3, address: 4, port: 5, counter: 6 });
  records.setFreeFrom({ port: 9 });
  expect(records.freeFrom()).toEqual({ id: 3, address: 4, port: 9, counter: 6 });
  records.setFreeFrom({ id: 0, address: 0, port: 0, counter: 0 });
  expect(records.freeFrom()).toEqual({ id: 1, address: 0, port: 0, counter: 1 });
});

describe("the numbers of groups", () => {
  // Two pairs of words that are known to share their FNV-1a hash of 32 bits.
  const name = fc.constantFrom("", "a", "b", "c", "costarring", "liquid", "declinate", "macallums");

  test("no group is 0; a group has a number only once it was asked for", () => {
    const { groups } = records;
    expect([groups.of(""), groups.find("")]).toEqual([0, 0]);
    expect(groups.find("new")).toBeUndefined();
    const id = groups.of("new");
    expect(groups.find("new")).toBe(id);
  });

  test("names with one hash have numbers of their own, and keep them when the other goes", () => {
    const used = new Set(["liquid"]);
    const groups = new Groups(maps.groups, () => used);
    const [first, second] = [groups.of("costarring"), groups.of("liquid")];
    expect(second).toBe(first + 1);
    groups.forgetUnused();
    expect(groups.of("liquid")).toBe(second);
    used.clear();
    groups.forgetUnused();
    groups.forgetUnused();
    expect([groups.find("costarring"), groups.find("liquid")]).toEqual([undefined, undefined]);
  });

  test("of removed servers make room for a new group", () => {
    const { groups } = records;
    records.set(server(1, { group: "kept" }));
    const kept = groups.of("kept");
    const { maxEntries } = maps.groups.info;
    for (let index = 1; index < maxEntries; index++) groups.of(`match ${index}`);
    const id = groups.of("new");
    expect([groups.find("kept"), groups.find("new")]).toEqual([kept, id]);
    expect(Array.from(maps.groups, ([, { text }]) => text).sort()).toEqual(["kept", "new"]);
  });

  test("come and go: two names never share one, and a name in use keeps its own", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), name)), (changes) => {
        const used = new Map<string, number>();
        const groups = new Groups(maps.groups, () => new Set(used.keys()));
        for (const [add, each] of changes) {
          if (add) {
            const id = groups.of(each);
            expect(id).toBe(used.get(each) ?? id);
            used.set(each, id);
          } else {
            used.delete(each);
            groups.forgetUnused();
          }
          expect(new Set(used.values()).size).toBe(used.size);
        }
      }),
      { numRuns: 50 },
    );
  });
});
