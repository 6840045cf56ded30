/** What a generated module is used with: maps and variables by their layouts. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DatapathError, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { BpfMap, BpfObject, bytes, MapType, possibleCpus, u16, u32, u64 } from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

const totals = { name: "totals", type: 6, key: u32, value: u64 } as const;
const numbers = { name: "numbers", type: 1, key: u32, value: u64 } as const;
const scale = { name: "scale", codec: u32 };
const written = { name: "written", codec: u64 };

let object: BpfObject;

beforeEach(() => {
  const open = BpfObject.open(fixture("ring"), { name: "ring" });
  open.setVariable(scale, 10);
  expect(open.variable(scale)).toBe(10);
  expect(open.map(totals).maxEntries).toBe(2);
  object = open.load();
});

afterEach(() => {
  object.close();
  expect(openBpfDescriptors()).toEqual([]);
});

const run = () => object.program("write_record").testRun({ data: new Uint8Array(64).fill(1) });

describe("maps by their layouts", () => {
  test("have one value per CPU where the type is a per-CPU one", () => {
    const map: BpfMap<number, bigint[]> = object.map(totals);
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => BigInt(cpu));
    map.set(1, values);
    expect(map.get(1)).toEqual(values);
    using bpffs = new Bpffs();
    map.pin(bpffs.join("totals"));
    using pinned: BpfMap<number, bigint[]> = BpfMap.fromPin(bpffs.join("totals"), totals);
    expect(pinned.get(1)).toEqual(values);
  });

  test("are refused when the map is of another type", () => {
    const wrong = { ...totals, type: 1 } as const;
    expect(thrown(DatapathError, () => object.map(wrong)).message).toBe(
      "open map totals: it is a perCpuArray map, not hash",
    );
  });

  test("have one value where it is not", () => {
    using packet = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const map: BpfMap<number, bigint> = packet.map(numbers);
    map.set(1, 2n);
    expect([...map]).toEqual([[1, 2n]]);
  });
});

describe("maps of maps and of programs", () => {
  const outer = { name: "outer", type: 13, key: u32, value: u32 } as const;
  const calls = { name: "calls", type: 3, key: u32, value: u32 } as const;
  const data = new Uint8Array(64);

  test("take a map by its descriptor, and give its id", () => {
    const open = BpfObject.open(fixture("nested"), { name: "nested" });
    open.setVariable("wanted", u32, 7);
    using nested = open.load();
    const look = () => nested.program("look").testRun({ data }).retval;
    const maps = nested.map(outer);
    expect(look()).toBe(0xffffffff);

    using another = BpfMap.create({ name: "another", type: "array", maxEntries: 1 }, u32, u32);
    another.set(0, 25570);
    maps.set(7, another.fd);
    expect(look()).toBe(25570);
    expect(new Map(maps)).toEqual(
      new Map([
        [0, nested.map("first", u32, u32).info.id],
        [7, another.info.id],
      ]),
    );
    using found = BpfMap.fromId(maps.get(7) ?? 0, u32, u32);
    found.set(0, 25571);
    expect(look()).toBe(25571);
    maps.delete(7);
    expect(look()).toBe(0xffffffff);
  });

  test("take a program likewise, which others then call", () => {
    using nested = BpfObject.open(fixture("nested"), { name: "nested" }).load();
    const call = () => nested.program("call").testRun({ data }).retval;
    const programs = nested.map(calls);
    expect(call()).toBe(0xfffffffe);
    programs.set(1, nested.program("look").fd);
    expect([...programs]).toEqual([[1, nested.program("look").info().id]]);
    expect(call()).toBe(0);
    programs.delete(1);
    expect(call()).toBe(0xfffffffe);
  });
});

describe("a map without an object", () => {
  test("is made and used", () => {
    using map = BpfMap.create({ name: "own", type: "hash", maxEntries: 2, flags: 1 }, u32, u64);
    expect(map.info).toMatchObject({ type: MapType.hash, name: "own", maxEntries: 2, flags: 1 });
    map.set(1, 1n);
    expect(map.get(1)).toBe(1n);
  });

  test("of a per-CPU type takes a per-CPU codec", () => {
    const make = () => BpfMap.create({ name: "own", type: "perCpuHash", maxEntries: 2 }, u32, u64);
    expect(thrown(DatapathError, make).message).toContain("must be made with perCpu()");
  });

  test("that the kernel refuses is an error", () => {
    const make = () => BpfMap.create({ name: "own", type: "array", maxEntries: 2 }, u64, u64);
    expect(thrown(SyscallError, make)).toMatchObject({ op: "make map own", errnoName: "EINVAL" });
  });
});

describe("variables of a loaded object", () => {
  test("are read as programs leave them", () => {
    expect(object.variable(written)).toBe(0n);
    run();
    run();
    expect(object.variable(written)).toBe(2n);
    expect(object.variable(scale)).toBe(10);
    expect(object.variable("step", u16)).toBe(1);
  });

  test("are set while programs use them, and leave their neighbours alone", () => {
    run();
    object.setVariable(written, 100n);
    object.setVariable("step", u16, 5);
    object.setVariable("grid", bytes(3), Uint8Array.from([1, 2, 3]));
    run();
    expect(object.variable(written)).toBe(105n);
    expect(object.variable("grid", bytes(3))).toEqual(Uint8Array.from([1, 2, 3]));
    expect(object.variable("lost", u64)).toBe(0n);
  });

  test("cannot be set when they are constant", () => {
    const error = thrown(DatapathError, () => object.setVariable(scale, 1));
    expect(error.message).toBe("set variable scale: it is a constant, and the object is loaded");
    expect(error.hint).toContain("before load()");
    expect(object.variable(scale)).toBe(10);
  });

  test("that do not exist, or have another size, are errors", () => {
    expect(() => object.variable("none", u32)).toThrow("the object has no global variable of that name");
    expect(() => object.variable("written", u32)).toThrow("it has 8 bytes, the codec's values have 4");
    object.close();
    expect(() => object.variable(written)).toThrow("is closed");
  });
});
