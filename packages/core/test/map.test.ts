import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { Errno, SyscallError } from "@dp/sys";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  be16,
  BpfMap,
  BpfObject,
  bytes,
  type Codec,
  MapFullError,
  perCpu,
  possibleCpus,
  u32,
  u64,
} from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

let object: BpfObject;

beforeAll(() => {
  object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
});

afterAll(() => {
  object.close();
  expect(openBpfDescriptors()).toEqual([]);
});

/** struct pair of the fixture. */
interface Pair {
  left: number;
  right: number;
}

const pair: Codec<Pair> = {
  size: 8,
  read: (data) => ({ left: u32.read(data.subarray(0, 4)), right: be16.read(data.subarray(4, 6)) }),
  write: ({ left, right }) => Uint8Array.from([...u32.write(left), ...be16.write(right), 0, 0]),
};

describe("one entry", () => {
  let pairs: BpfMap<number, Pair>;

  beforeEach(() => {
    pairs = object.map("pairs", u32, pair);
    pairs.clear();
  });

  test("is set, read, replaced and deleted", () => {
    expect(pairs.get(1)).toBeUndefined();
    pairs.set(1, { left: 5, right: 25565 });
    expect(pairs.get(1)).toEqual({ left: 5, right: 25565 });
    pairs.set(1, { left: 6, right: 1 });
    expect(pairs.get(1)).toEqual({ left: 6, right: 1 });
    expect(pairs.delete(1)).toBe(true);
    expect(pairs.delete(1)).toBe(false);
    expect(pairs.get(1)).toBeUndefined();
  });

  test("is only made by create, only changed by replace", () => {
    const missing = thrown(SyscallError, () => pairs.set(1, { left: 1, right: 1 }, "replace"));
    expect(missing.errno).toBe(Errno.ENOENT);
    expect(missing.message).toBe("replace an entry of map pairs: the key is not in it (bpf_map_update_elem: ENOENT)");
    pairs.set(1, { left: 1, right: 1 }, "create");
    const there = thrown(SyscallError, () => pairs.set(1, { left: 2, right: 2 }, "create"));
    expect(there.errno).toBe(Errno.EEXIST);
    expect(pairs.get(1)).toEqual({ left: 1, right: 1 });
    pairs.set(1, { left: 3, right: 3 }, "replace");
    expect(pairs.get(1)?.left).toBe(3);
  });

  test("is taken: read and deleted in one step", () => {
    pairs.set(4, { left: 4, right: 4 });
    expect(pairs.take(4)).toEqual({ left: 4, right: 4 });
    expect(pairs.take(4)).toBeUndefined();
  });

  test("does not fit into a full map: the error names the map, its size and the remedy", () => {
    for (let key = 0; key < 8; key++) pairs.set(key, { left: key, right: key });
    const error = thrown(MapFullError, () => pairs.set(8, { left: 8, right: 8 }));
    expect(error).toMatchObject({ map: "pairs", maxEntries: 8, code: "FAILED" });
    expect(error.message).toBe("add to map pairs: it is full: it has room for 8 entries");
    expect(error.hint).toContain("larger max_entries");
    pairs.set(7, { left: 0, right: 0 });
    const grown = object.map("pairs", u32, pair, { growHint: "dp unload, then dp load" });
    expect(thrown(MapFullError, () => grown.set(9, { left: 0, right: 0 })).hint).toBe("dp unload, then dp load");
  });

  test("that does not fit its type is the caller's mistake, and changes nothing", () => {
    expect(() => pairs.set(1, { left: -1, right: 1 })).toThrow("encode for map pairs: -1 is not a u32");
    expect(() => pairs.get(2 ** 32)).toThrow("encode for map pairs");
    expect([...pairs]).toEqual([]);
  });
});

describe("opening", () => {
  test("codecs of other sizes than the map's are refused", () => {
    expect(() => object.map("pairs", u64, pair)).toThrow("open map pairs: its keys have 4 bytes, the codec's 8");
    expect(() => object.map("pairs", u32, u32)).toThrow("open map pairs: its values have 8 bytes, the codec's 4");
  });

  test("per-CPU maps want per-CPU codecs, and others do not", () => {
    expect(() => object.map("hits", u32, u32)).toThrow("its value codec must be made with perCpu()");
    expect(() => object.map("pairs", u32, perCpu(pair))).toThrow("its value codec must not be made with perCpu()");
    expect(() => object.map("hits", u32, perCpu(u64))).toThrow("its values have 4 bytes, the codec's 8");
  });

  test("a map is found by its id, and its own descriptor is closed once", () => {
    const before = openBpfDescriptors().length;
    const { id } = object.map("numbers", u32, u64).info;
    {
      using numbers = BpfMap.fromId(id, u32, u64);
      numbers.set(1, 1n);
      expect(openBpfDescriptors()).toHaveLength(before + 1);
    }
    expect(openBpfDescriptors()).toHaveLength(before);
    expect(() => BpfMap.fromId(id, u64, u64)).toThrow("its keys have 4 bytes");
    expect(openBpfDescriptors()).toHaveLength(before);
    expect(() => BpfMap.fromId(0x7fffffff, u32, u64)).toThrow("ENOENT");
  });
});

describe("arrays", () => {
  test("have every entry from the start, and no other", () => {
    const slots = object.map("slots", u32, u32);
    expect([...slots.keys()]).toEqual([0, 1, 2, 3]);
    slots.set(3, 33);
    expect(slots.get(3)).toBe(33);
    expect(slots.get(4)).toBeUndefined();
    const error = thrown(SyscallError, () => slots.set(4, 1));
    expect(error.message).toContain("the key is not below 4");
    expect(() => slots.delete(0)).toThrow(SyscallError);
  });
});

describe("per-CPU values", () => {
  test("have one value for each CPU, alone and when listed", () => {
    const hits = object.map("hits", u32, perCpu(u32));
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => 100 + cpu);
    hits.set(7, values);
    hits.set(8, values.toReversed());
    expect(hits.get(7)).toEqual(values);
    expect(new Map(hits)).toEqual(
      new Map([
        [7, values],
        [8, values.toReversed()],
      ]),
    );
    expect(hits.clear()).toBe(2);
  });
});

describe("many entries", () => {
  let numbers: BpfMap<number, bigint>;
  const MANY = 4000;

  beforeEach(() => {
    numbers = object.map("numbers", u32, u64);
    numbers.clear();
  });

  const fill = () => numbers.setMany(Array.from({ length: MANY }, (_, key) => [key, BigInt(key) * 3n] as const));

  test("are set, listed and deleted in batches", () => {
    fill();
    const listed = new Map(numbers);
    expect(listed.size).toBe(MANY);
    for (const [key, value] of listed) expect(value).toBe(BigInt(key) * 3n);
    // Every other key is there; the rest is passed over.
    expect(numbers.deleteMany(Array.from({ length: MANY }, (_, index) => index * 2))).toBe(MANY / 2);
    expect([...numbers.keys()].every((key) => key % 2 === 1)).toBe(true);
    expect(numbers.clear()).toBe(MANY / 2);
    expect([...numbers]).toEqual([]);
    numbers.setMany([]);
    expect(numbers.deleteMany([])).toBe(0);
  });

  test("keep their modes", () => {
    numbers.set(3, 1n);
    const add = () => numbers.setMany([[3, 2n]], "create");
    expect(thrown(SyscallError, add).errno).toBe(Errno.EEXIST);
    expect(numbers.get(3)).toBe(1n);
  });

  test("that do not fit are a full map", () => {
    fill();
    expect(() => numbers.setMany([[MANY + 1, 0n]])).toThrow(MapFullError);
  });

  test("are listed as bytes, for callers that decode a part of them", () => {
    fill();
    let sum = 0n;
    const keys = new Set<number>();
    for (const [key, value] of numbers.rawEntries()) {
      expect([key.byteLength, value.byteLength]).toEqual([4, 8]);
      keys.add(u32.read(key));
      sum += u64.read(value);
    }
    expect(keys.size).toBe(MANY);
    expect(sum).toBe([...numbers].reduce((all, [, value]) => all + value, 0n));
  });

  test("are listed to an end, none twice, while they are deleted", () => {
    fill();
    const seen = new Set<number>();
    for (const [key] of numbers) {
      expect(seen.has(key)).toBe(false);
      seen.add(key);
      numbers.delete(key);
      numbers.delete((key * 7919) % MANY);
    }
    expect([...numbers]).toEqual([]);
  });

  test("are listed to an end, none twice, while others come and go", () => {
    for (let key = 0; key < 2000; key++) numbers.set(key, 0n);
    const seen = new Set<number>();
    let next = 2000;
    for (const [key] of numbers) {
      expect(seen.has(key)).toBe(false);
      seen.add(key);
      numbers.delete(next - 1000);
      numbers.set(next++, 0n);
      expect(seen.size).toBeLessThan(100_000);
    }
    for (let key = 0; key < 1000; key++) expect(seen.has(key)).toBe(true);
  });

  test("an abandoned walk keeps nothing open", () => {
    fill();
    for (const [key] of numbers) if (key >= 0) break;
    expect(numbers.clear()).toBe(MANY);
  });
});

describe("maps without batch operations", () => {
  test("are walked key by key, to an end, while entries are deleted", () => {
    // Entries of a devmap are interfaces; loopback is always there.
    const devices = object.map("devices", u32, u32);
    const keys = Array.from({ length: 40 }, (_, key) => key);
    devices.setMany(keys.map((key) => [key, 1] as const));
    expect(new Set(devices.keys())).toEqual(new Set(keys));
    const seen: number[] = [];
    for (const [key] of devices) {
      seen.push(key);
      devices.delete(key);
    }
    expect(seen.toSorted((one, other) => one - other)).toEqual(keys);
    expect(devices.deleteMany(keys)).toBe(0);
  });

  test("tries have keys with a prefix length", () => {
    const routes = object.map("routes", bytes(8), u32);
    const key = Uint8Array.from([16, 0, 0, 0, 10, 2, 0, 0]);
    const host = Uint8Array.from([32, 0, 0, 0, 10, 2, 9, 9]);
    routes.set(key, 5);
    expect(routes.get(host)).toBe(5);
    expect([...routes]).toEqual([[key, 5]]);
    expect(routes.delete(key)).toBe(true);
  });
});
