/** The records of servers in real maps: found by what they have, whatever became of the process that wrote them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mapLayouts } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import fc from "fast-check";
import { loadBpf, type Objects, openPinned, type ServerRecord } from "../src/index.ts";
import { BpfMap, type Codec } from "../src/libbpf/index.ts";
import { LOBBY } from "./support/lobby.ts";

requireRoot();

let bpffs: Bpffs;
let objects: Objects;

beforeAll(() => {
  bpffs = new Bpffs();
  loadBpf({ pinRoot: bpffs.path }).close();
});
afterAll(() => {
  bpffs[Symbol.dispose]();
  expect(openBpfDescriptors()).toEqual([]);
});
beforeEach(() => {
  objects = openPinned({ pinRoot: bpffs.path });
  for (const { veth } of objects.netData()) objects.delNetData(veth.podPeer.addr);
  objects.records.reindex();
});
afterEach(() => objects.close());

/** The server with a number: everything only one server has differs by it. */
function server(number: number, more: Partial<ServerRecord> = {}): ServerRecord {
  const { hostPeer, podPeer } = LOBBY.veth;
  const hostPort = 25565 + number;
  return {
    ...LOBBY,
    hostPort,
    netnsCookie: 100n + BigInt(number),
    name: `server ${number}`,
    group: "",
    veth: {
      hostPeer: { ...hostPeer, iface: { ...hostPeer.iface, index: number + 1, name: `dp${hostPort}` } },
      podPeer: { ...podPeer, addr: `10.2.0.${number}` },
    },
    ...more,
  };
}

const endpoint = (record: ServerRecord) => ({ address: record.publicAddress, port: record.hostPort });
const byAll = (record: ServerRecord) => [
  objects.records.find({ endpoint: endpoint(record) }),
  objects.records.find({ name: record.name }),
  objects.records.find({ netnsCookie: record.netnsCookie }),
];

describe("a record", () => {
  test("is found by its endpoint, its name and its namespace, and by nothing once it is deleted", () => {
    const [one, other] = [server(1), server(2)];
    objects.addNetData(one, "create");
    objects.addNetData(other, "create");
    expect(byAll(one)).toEqual([one, one, one]);
    expect(byAll(other)).toEqual([other, other, other]);
    objects.delNetData("10.2.0.1");
    expect(byAll(one)).toEqual([undefined, undefined, undefined]);
    expect(byAll(other)).toEqual([other, other, other]);
  });

  test("with the same port on another address is another server's", () => {
    const one = server(1);
    const other = server(2, { hostPort: one.hostPort, publicAddress: "203.0.113.11" });
    objects.addNetData(one, "create");
    objects.addNetData(other, "create");
    expect(objects.records.find({ endpoint: endpoint(one) })).toEqual(one);
    expect(objects.records.find({ endpoint: endpoint(other) })).toEqual(other);
    expect(objects.netData()).toEqual([one, other]);
  });

  test("that changes is found by what it has now, and no longer by what it had", () => {
    const before = server(1);
    const after = server(1, { publicAddress: "198.51.100.9", name: "moved" });
    objects.addNetData(before);
    objects.addNetData(after, "replace");
    expect(byAll(after)).toEqual([after, after, after]);
    expect(objects.records.find({ endpoint: endpoint(before) })).toBeUndefined();
    expect(objects.records.find({ name: before.name })).toBeUndefined();
  });

  for (const [what, taken] of [
    ["203.0.113.10:25566", { hostPort: 25566 }],
    ["the name server 1", { name: "server 1" }],
    ["the namespace /run/netns/lobby", { netnsCookie: 101n }],
  ] as const) {
    test(`that would have another one's is refused, and nothing changed: ${what}`, () => {
      const one = server(1);
      objects.addNetData(one);
      const error = thrown(DatapathError, () => objects.addNetData(server(2, taken), "create"));
      expect(error).toMatchObject({ code: "CONFLICT", reason: `${what} is taken by server 25566 (server 1)` });
      expect(objects.netData()).toEqual([one]);
      expect(byAll(one)).toEqual([one, one, one]);
      expect(objects.records.find({ name: "server 2" })).toBeUndefined();
    });
  }

  test("that the kernel refuses leaves no trace in the index", () => {
    thrown(DatapathError, () => objects.addNetData(server(1), "replace"));
    const { dp_names: layout } = mapLayouts;
    using names = BpfMap.fromPin(`${bpffs.path}/maps/dp_names`, layout.key, layout.value);
    expect([...names]).toEqual([]);
  });
});

describe("what a killed process has left of the index", () => {
  test("is nobody's, and whoever wants it gets it", () => {
    const [one, other] = [server(1), server(2)];
    objects.addNetData(one);
    const { dp_names: layout } = mapLayouts;
    using names = BpfMap.fromPin(`${bpffs.path}/maps/dp_names`, layout.key, layout.value);
    // Of a record that was never written, and of one that has another name.
    names.set({ text: "half" }, "10.2.0.9");
    names.set({ text: other.name }, "10.2.0.1");
    expect(objects.records.find({ name: "half" })).toBeUndefined();
    expect(objects.records.find({ name: other.name })).toBeUndefined();
    objects.addNetData(other, "create");
    expect(byAll(other)).toEqual([other, other, other]);
    objects.records.reindex();
    expect([...names.keys()].map(({ text }) => text).sort()).toEqual([one.name, other.name]);
  });

  test("is made whole from the records", () => {
    const records = [server(1), server(2), server(3)];
    for (const record of records) objects.addNetData(record);
    const { dp_names, dp_endpoints, dp_namespaces } = mapLayouts;
    const clear = <K>({ name, key, value }: { name: string; key: Codec<K>; value: Codec<string> }) => {
      using map = BpfMap.fromPin(`${bpffs.path}/maps/${name}`, key, value);
      expect(map.clear()).toBe(3);
    };
    clear(dp_names);
    clear(dp_endpoints);
    clear(dp_namespaces);
    expect(byAll(records[1] as ServerRecord)).toEqual([undefined, undefined, undefined]);
    objects.records.reindex();
    for (const record of records) expect(byAll(record)).toEqual([record, record, record]);
  });
});

test("changes are known until they end", () => {
  const { records } = objects;
  records.beginChange("10.2.0.1");
  records.beginChange("10.2.0.2");
  records.beginChange("10.2.0.1");
  expect(records.changing().sort()).toEqual(["10.2.0.1", "10.2.0.2"]);
  records.endChange("10.2.0.1");
  records.endChange("10.2.0.2");
  records.endChange("10.2.0.2");
  expect(records.changing()).toEqual([]);
});

describe("the numbers of groups", () => {
  // Two pairs of words that are known to share their FNV-1a hash of 32 bits.
  const name = fc.constantFrom("", "a", "b", "c", "costarring", "liquid", "declinate", "macallums");

  test("no group is 0; a group has one only once it was asked for", () => {
    const { groups } = objects.records;
    expect([groups.of(""), groups.find("")]).toEqual([0, 0]);
    expect(groups.find("nobody's")).toBeUndefined();
    const id = groups.of("nobody's");
    expect(groups.find("nobody's")).toBe(id);
  });

  test("names with one hash have numbers of their own, and keep them when the other goes", () => {
    const { groups } = objects.records;
    const [first, second] = [groups.of("costarring"), groups.of("liquid")];
    expect(second).toBe(first + 1);
    groups.keepOnly(new Set(["liquid"]));
    expect(groups.of("liquid")).toBe(second);
    groups.keepOnly(new Set());
    groups.keepOnly(new Set());
    expect([groups.find("costarring"), groups.find("liquid")]).toEqual([undefined, undefined]);
  });

  test("whatever comes and goes, two names never share one, and a name in use keeps its own", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), name)), (changes) => {
        const { groups } = objects.records;
        const used = new Map<string, number>();
        for (const [add, each] of changes) {
          if (add) {
            const id = groups.of(each);
            expect(id).toBe(used.get(each) ?? id);
            used.set(each, id);
          } else {
            used.delete(each);
            groups.keepOnly(new Set(used.keys()));
          }
          expect(new Set(used.values()).size).toBe(used.size);
        }
      }),
      { numRuns: 50 },
    );
  });
});
