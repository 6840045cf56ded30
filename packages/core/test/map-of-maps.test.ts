import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { DatapathError, expediteGracePeriods, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  BpfMap,
  BpfObject,
  bytes,
  createMap,
  MapOfMaps,
  MapType,
  possibleCpus,
  u32,
  u64,
} from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

const slot = {
  size: 8,
  read: (data: Uint8Array) => ({ seen: u32.read(data.subarray(0, 4)), hits: u32.read(data.subarray(4, 8)) }),
  write: ({ seen, hits }: { seen: number; hits: number }) => Uint8Array.from([...u32.write(seen), ...u32.write(hits)]),
};
const players = {
  name: "players",
  type: 12,
  key: u32,
  inner: { type: 2, maxEntries: 1024, flags: 0, key: u32, value: slot },
} as const;
const totals = {
  name: "totals",
  type: 13,
  key: u64,
  inner: { type: 6, maxEntries: 2, flags: 0, key: u32, value: u64 },
} as const;

let object: BpfObject;
let expedited: Disposable;

beforeAll(() => {
  expedited = expediteGracePeriods();
});

afterAll(() => expedited[Symbol.dispose]());

beforeEach(() => {
  object = BpfObject.open(fixture("players"), { name: "players" }).load();
});

afterEach(() => {
  object.close();
  expect(openBpfDescriptors()).toEqual([]);
});

const hit = () => object.program("hit").testRun({ data: new Uint8Array(64) }).retval;

describe("an array of maps", () => {
  test("gives a program the inner map of an entry, and not after it was deleted", () => {
    const outer = object.mapOfMaps(players);
    expect(hit()).toBe(0xffff_ffff);
    {
      using slots = outer.createInner("players_3");
      expect(slots.info).toMatchObject({ name: "players_3", type: MapType.array, valueSize: 8, maxEntries: 1024 });
      outer.set(3, slots);
    }
    // The entry alone keeps the inner map.
    expect([hit(), hit()]).toEqual([1, 2]);
    {
      using slots = outer.get(3);
      expect(slots?.get(5)).toEqual({ seen: 7, hits: 2 });
      slots?.set(5, { seen: 0, hits: 40 });
    }
    expect(hit()).toBe(41);
    expect(outer.delete(3)).toBe(true);
    expect(outer.delete(3)).toBe(false);
    expect(outer.get(3)).toBeUndefined();
    expect(hit()).toBe(0xffff_ffff);
  });

  test("lists its entries, however many indexes between them have no map", () => {
    const outer = object.mapOfMaps(players);
    expect([...outer.ids()]).toEqual([]);
    for (const server of [1, 6]) {
      using slots = outer.createInner();
      slots.set(0, { seen: server, hits: 0 });
      outer.set(server, slots);
    }
    expect([...outer.ids()].map(([server]) => server)).toEqual([1, 6]);
    const seen = [...outer.entries()].map(([server, slots]) => [server, slots.closed]);
    expect(seen).toEqual([
      [1, true],
      [6, true],
    ]);
    for (const [server, slots] of outer.entries()) expect(slots.get(0)).toEqual({ seen: server, hits: 0 });
    for (const [, slots] of outer.entries()) if (!slots.closed) break;
  });

  test("replaces an inner map in one step", () => {
    const outer = object.mapOfMaps(players);
    using one = outer.createInner();
    using other = outer.createInner();
    outer.set(3, one);
    expect(hit()).toBe(1);
    outer.set(3, other);
    expect(hit()).toBe(1);
    expect(outer.id(3)).toBe(other.info.id);
  });

  test("refuses a map that is not as its inner maps, and an index beyond its end", () => {
    const outer = object.mapOfMaps(players);
    using wide = BpfMap.create({ name: "wide", type: "array", maxEntries: 1024 }, u32, bytes(16));
    expect(thrown(SyscallError, () => outer.set(1, wide as never)).errnoName).toBe("EINVAL");
    using short = createMap({ ...players.inner, name: "short", maxEntries: 4 });
    expect(thrown(SyscallError, () => outer.set(1, short)).errnoName).toBe("EINVAL");
    using slots = outer.createInner();
    expect(thrown(SyscallError, () => outer.set(8, slots)).errnoName).toBe("E2BIG");
    expect([...outer.ids()]).toEqual([]);
  });

  test("keeps its inner maps while it is pinned", () => {
    using bpffs = new Bpffs();
    {
      const outer = object.mapOfMaps(players);
      using slots = outer.createInner();
      slots.set(9, { seen: 1, hits: 2 });
      outer.set(2, slots);
      outer.pin(bpffs.join("players"));
    }
    object.close();
    using pinned = MapOfMaps.fromPin(bpffs.join("players"), players);
    expect(pinned.info).toMatchObject({ type: MapType.arrayOfMaps, maxEntries: 8 });
    using slots = pinned.get(2);
    expect(slots?.get(9)).toEqual({ seen: 1, hits: 2 });
    expect([...(slots ?? [])].length).toBe(1024);
    using another = pinned.createInner();
    pinned.set(4, another);
    expect(pinned.id(4)).toBe(another.info.id);
  });

  test("is opened as what it is only", () => {
    const wrong = { ...players, name: "totals" } as const;
    expect(thrown(DatapathError, () => object.mapOfMaps(wrong)).reason).toBe("it is a hashOfMaps map, not arrayOfMaps");
  });
});

describe("a hash of maps", () => {
  test("has inner maps of a per-CPU type", () => {
    const outer = object.mapOfMaps(totals);
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => BigInt(cpu + 1));
    {
      using counters = outer.createInner();
      counters.set(1, values);
      outer.set(2n ** 40n, counters);
    }
    using counters = outer.get(2n ** 40n);
    expect(counters?.get(1)).toEqual(values);
    expect([...outer.ids()].map(([key]) => key)).toEqual([2n ** 40n]);
    expect(outer.get(1n)).toBeUndefined();
    expect(outer.delete(2n ** 40n)).toBe(true);
    expect([...outer.ids()]).toEqual([]);
  });
});

describe("an object with maps of maps", () => {
  test("is loaded with another number of entries", () => {
    const open = BpfObject.open(fixture("players"), { name: "players" });
    open.map(players).setMaxEntries(4096);
    using loaded = open.load();
    const outer = loaded.mapOfMaps(players);
    using slots = outer.createInner();
    outer.set(4095, slots);
    expect([...outer.ids()]).toEqual([[4095, slots.info.id]]);
  });
});
