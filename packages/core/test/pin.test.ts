import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Errno, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { forEachTest } from "@dp/test-kit/for-each-test.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { BpfMap, BpfObject, Link, pinnedKind, pinOver, Program, u32, u64, unpin } from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

let bpffs: Bpffs;
let object: BpfObject;

forEachTest(
  () => (bpffs = new Bpffs()),
  () => (object = BpfObject.open(fixture("packet"), { name: "packet" }).load()),
);

test("a pinned map outlives its object, with its contents", () => {
  const numbers = object.map("numbers", u32, u64);
  numbers.set(5, 55n);
  numbers.pin(bpffs.join("numbers"));
  const { tag } = object.program("count_hits");
  object.program("count_hits").pin(bpffs.join("program"));
  object.close();
  using map = BpfMap.fromPin(bpffs.join("numbers"), u32, u64);
  expect(map.get(5)).toBe(55n);
  using program = Program.fromPin(bpffs.join("program"));
  expect(program).toMatchObject({ name: "count_hits", tag });
});

test("a path holds one pin; pinOver takes its place", () => {
  const path = bpffs.join("program");
  object.program("pass_on").pin(path);
  const taken = thrown(SyscallError, () => object.program("count_hits").pin(path));
  expect(taken.errno).toBe(Errno.EEXIST);
  pinOver(object.program("count_hits").fd, path);
  using program = Program.fromPin(path);
  expect(program.name).toBe("count_hits");
  expect(bpffs.list()).toEqual(["program"]);
});

test("a pinOver that fails leaves nothing behind", () => {
  mkdirSync(bpffs.join("folder"));
  mkdirSync(bpffs.join("folder", "inside"));
  expect(() => pinOver(object.program("pass_on").fd, bpffs.join("folder"))).toThrow("pin at");
  expect(bpffs.list()).toEqual([]);
});

test("unpinning says whether there was a pin", () => {
  const path = bpffs.join("program");
  object.program("pass_on").pin(path);
  expect(unpin(path)).toBe(true);
  expect(unpin(path)).toBe(false);
});

test("nothing but a pin is ever unpinned", () => {
  const path = `${bpffs.path}-file`;
  writeFileSync(path, "an ordinary file");
  try {
    expect(() => unpin(path)).toThrow("it is not on a bpffs");
  } finally {
    rmSync(path);
  }
});

test("a pin is opened as what it is", () => {
  object.program("pass_on").pin(bpffs.join("program"));
  object.map("numbers", u32, u64).pin(bpffs.join("map"));
  expect(pinnedKind(bpffs.join("program"))).toBe("program");
  expect(pinnedKind(bpffs.join("map"))).toBe("map");
  expect(pinnedKind(bpffs.join("nothing"))).toBeUndefined();
  expect(() => Program.fromPin(bpffs.join("map"))).toThrow("it is a map, not a program");
  expect(() => Link.fromPin(bpffs.join("map"))).toThrow("it is a map, not a link");
  expect(() => BpfMap.fromPin(bpffs.join("program"), u32, u64)).toThrow("it is a program, not a map");
});

test("a missing pin is undefined to find and an error to open", () => {
  expect(Link.findPin(bpffs.join("nothing"))).toBeUndefined();
  const error = thrown(SyscallError, () => Link.fromPin(bpffs.join("nothing")));
  expect(error.errno).toBe(Errno.ENOENT);
  expect(() => BpfMap.fromPin(bpffs.join("no", "folder"), u32, u64)).toThrow("ENOENT");
});

test("a pin that cannot be made says what to do", () => {
  const program = object.program("pass_on");
  expect(thrown(SyscallError, () => program.pin("/tmp/coretest-nowhere")).hint).toContain("is not on a bpffs");
  expect(thrown(SyscallError, () => program.pin(bpffs.join("no", "folder"))).hint).toContain("does not exist");
  expect(thrown(SyscallError, () => program.pin(bpffs.join("with.dot"))).hint).toContain('must not have a "."');
});
