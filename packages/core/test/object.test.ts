import { afterEach, describe, expect, test } from "bun:test";
import { DatapathError, SyscallError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import {
  BpfMap,
  BpfObject,
  LibbpfError,
  type LibbpfMessages,
  perCpu,
  possibleCpus,
  readSkbContext,
  skbContext,
  u32,
  u64,
  VerifierError,
} from "../src/libbpf/index.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

afterEach(() => {
  expect(openBpfDescriptors()).toEqual([]);
});

const PACKET = new Uint8Array(64);

describe("opening", () => {
  test("an open object tells its maps and programs before anything is in the kernel", () => {
    using open = BpfObject.open(fixture("packet"), { name: "packet" });
    expect(open.programs().map(({ name, section, autoload }) => [name, section, autoload])).toEqual([
      ["count_hits", "tc", true],
      ["pass_on", "tc", true],
      ["pass_on_too", "tc", true],
    ]);
    const numbers = open.map("numbers");
    expect([numbers.type, numbers.keySize, numbers.valueSize, numbers.maxEntries]).toEqual([1, 4, 8, 4000]);
    expect(
      open
        .maps()
        .filter((map) => map.internal)
        .map((map) => map.name),
    ).toEqual(["packet.rodata", "packet.bss"]);
    expect(openBpfDescriptors()).toEqual([]);
  });

  test.each([
    ["no bytes at all", new Uint8Array(0)],
    ["bytes that are no ELF file", new Uint8Array(100)],
    ["an ELF file cut short", fixture("packet").subarray(0, 200)],
  ])("%s is an error that has libbpf's words", (_what, bytes) => {
    const error = thrown(DatapathError, () => BpfObject.open(bytes, { name: "bad" }));
    expect(error.message).toStartWith("open BPF object bad: ");
    expect(error.code).toBe("FAILED");
  });

  test("the error for a struct that only an inner map has says how to keep it", () => {
    const error = thrown(SyscallError, () => BpfObject.open(fixture("forward_inner"), { name: "bad" }));
    expect(error.reason).toContain("map 'slots.inner': can't determine value size");
    expect(error.hint).toContain("define a variable of it");
  });

  test("libbpf's own error number has its name, and libbpf's messages are the cause", () => {
    const error = thrown(LibbpfError, () => BpfObject.open(new Uint8Array(100), { name: "bad" }));
    expect(error.errnoName).toBe("LIBBPF_ERRNO__FORMAT");
    expect((error.cause as LibbpfMessages).messages).toEqual(["elf: 'bad' is not a proper ELF object"]);
  });

  test("a missing map or program is named, with those that exist", () => {
    using open = BpfObject.open(fixture("cgroup"), { name: "cgroup" });
    expect(() => open.program("nosuch")).toThrow(
      "find program nosuch in BPF object cgroup: it has refuse_connect, allow_connect",
    );
    expect(() => open.map("nosuch")).toThrow("find map nosuch in BPF object cgroup: it has none");
  });

  test("the object file may come from anywhere in a buffer", () => {
    const image = fixture("packet");
    const shifted = new Uint8Array(image.byteLength + 3);
    shifted.set(image, 3);
    using open = BpfObject.open(shifted.subarray(3), { name: "shifted" });
    expect(open.programs()).toHaveLength(3);
  });
});

describe("global variables", () => {
  test("constants are set by name before the load, and the program sees them", () => {
    const open = BpfObject.open(fixture("packet"), { name: "packet" });
    expect(open.variable("wide", u64)).toBe(7n);
    open.setVariable("verdict", u32, 2);
    expect(open.variable("verdict", u32)).toBe(2);
    using object = open.load();
    expect(object.program("count_hits").testRun({ data: PACKET }).retval).toBe(2);
  });

  test("a test run on too few bytes says how long a packet is", () => {
    using object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const error = thrown(SyscallError, () => object.program("count_hits").testRun({ data: PACKET.subarray(0, 13) }));
    expect([error.errnoName, error.hint]).toEqual([
      "EINVAL",
      "a packet begins with its Ethernet header: 14 bytes or more",
    ]);
  });

  test("variables that are not constant can be read while the program runs", () => {
    const open = BpfObject.open(fixture("packet"), { name: "packet" });
    open.setVariable("runs", u32, 40);
    using object = open.load();
    object.program("count_hits").testRun({ data: PACKET, repeat: 2 });
    expect(object.map("packet.bss", u32, u32).get(0)).toBe(42);
  });

  test("an unknown variable, or one of another size, is refused", () => {
    using open = BpfObject.open(fixture("packet"), { name: "packet" });
    expect(() => open.setVariable("nosuch", u32, 1)).toThrow("no global variable of that name");
    expect(() => open.setVariable("wide", u32, 1)).toThrow("it has 8 bytes, the codec's values have 4");
  });
});

describe("loading", () => {
  test("the open object can be closed after it was loaded, and the loaded one goes on", () => {
    const open = BpfObject.open(fixture("packet"), { name: "packet" });
    using object = open.load();
    open.close();
    expect(object.program("pass_on").testRun({ data: PACKET }).retval).toBe(0xffffffff);
  });

  test("sizes set before the load are the maps' sizes", () => {
    const open = BpfObject.open(fixture("packet"), { name: "packet" });
    open.map("numbers").setMaxEntries(3);
    expect(() => open.map("numbers").setMaxEntries(0)).toThrow("0 is not a number of entries");
    using object = open.load();
    expect(object.map("numbers", u32, u64).info.maxEntries).toBe(3);
  });

  test("a program whose autoload is off is left out", () => {
    const open = BpfObject.open(fixture("refused"), { name: "refused" });
    open.program("reads_past_end").setAutoload(false);
    using object = open.load();
    expect(object.program("fine").testRun({ data: PACKET }).retval).toBe(0);
    expect(() => object.program("reads_past_end")).toThrow("it was not loaded");
  });

  test("what the verifier refuses comes with its summary and whole log", () => {
    const open = BpfObject.open(fixture("refused"), { name: "refused" });
    const error = thrown(VerifierError, () => open.load());
    expect(error.program).toBe("reads_past_end");
    expect(error.summary).toContain("outside of the packet");
    expect(error.log).toContain("return data[100];");
    expect(error.log).toContain("processed ");
    expect(error.code).toBe("FAILED");
    expect((error.cause as LibbpfMessages).messages[0]).toContain("BPF program load failed");
  });

  test("maps and programs end with their object, and say so", () => {
    const object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const map = object.map("numbers", u32, u64);
    const program = object.program("pass_on");
    map.close();
    expect(map.get(1)).toBeUndefined();
    object.close();
    object.close();
    expect(() => map.get(1)).toThrow("closed");
    expect(() => program.info()).toThrow("closed");
    expect(() => object.programNames()).toThrow("closed");
  });

  test("one object uses the map of another", () => {
    using first = BpfObject.open(fixture("packet"), { name: "first" }).load();
    const numbers = first.map("numbers", u32, u64);
    const open = BpfObject.open(fixture("packet"), { name: "second" });
    open.map("numbers").reuse(numbers);
    expect(() => open.map("slots").reuse(numbers)).toThrow("its type is hash, not array");
    using second = open.load();
    numbers.set(1, 11n);
    expect(second.map("numbers", u32, u64).get(1)).toBe(11n);
    expect(second.map("numbers", u32, u64).info.id).toBe(numbers.info.id);
  });

  test("a pin path makes the map there the first time, and uses it after", () => {
    using bpffs = new Bpffs();
    for (const expected of [undefined, 5n]) {
      const open = BpfObject.open(fixture("packet"), { name: "packet" });
      open.map("numbers").setPinPath(bpffs.join("numbers"));
      using object = open.load();
      const numbers = object.map("numbers", u32, u64);
      expect(numbers.get(1)).toBe(expected);
      numbers.set(1, 5n);
    }
    using pinned = BpfMap.fromPin(bpffs.join("numbers"), u32, u64);
    expect(pinned.get(1)).toBe(5n);
    expect(pinned.name).toBe("numbers");
  });

  test("libbpf never writes to stderr, whatever fails", () => {
    const script = `
      import { BpfObject } from "@dp/core/libbpf";
      import { readFileSync } from "node:fs";
      const image = new Uint8Array(readFileSync(0));
      for (const bytes of [new Uint8Array(64), image]) {
        try { BpfObject.open(bytes, { name: "x" }).load(); } catch (error) { console.log(error.name); }
      }`;
    const run = Bun.spawnSync(["bun", "-e", script], { stdin: fixture("refused"), cwd: import.meta.dirname });
    expect(run.stdout.toString()).toBe("LibbpfError\nVerifierError\n");
    expect(run.stderr.toString()).toBe("");
  });
});

describe("programs", () => {
  test("info tells id, name, tag and maps", () => {
    using object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const info = object.program("count_hits").info();
    expect(info).toMatchObject({ name: "count_hits", type: 3 });
    expect(info.tag).toMatch(/^[\da-f]{16}$/);
    expect(info.mapIds).toContain(object.map("hits", u32, perCpu(u32)).info.id);
    expect(info.loadTime).toBeGreaterThan(0n);
  });

  test("a test run gives verdict, packet and context, and has run the program", () => {
    using object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const hits = object.map("hits", u32, perCpu(u32));
    const loopback = 1;
    hits.set(
      loopback,
      Array.from({ length: possibleCpus() }, () => 0),
    );
    const packet = Uint8Array.from({ length: 100 }, (_, index) => index);
    const result = object
      .program("count_hits")
      .testRun({ data: packet, ctx: skbContext({ ifindex: loopback, mark: 41, cb: [1, 2, 3, 4, 5] }) });
    expect(result.retval).toBe(0);
    expect(result.data).toEqual(packet);
    expect(readSkbContext(result.ctx)).toMatchObject({ mark: 42, ifindex: loopback, cb: [1, 2, 3, 4, 5] });
    expect(hits.get(loopback)?.reduce((sum, value) => sum + value)).toBe(1);
  });

  test("a repeated run takes the average, and a runtime's signals do not end it", () => {
    using object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const { duration } = object.program("pass_on").testRun({ data: PACKET, repeat: 1_000_000 });
    expect(duration).toBeGreaterThan(0);
    expect(duration).toBeLessThan(100_000);
  });

  test("too few bytes, or too little room, are an error", () => {
    using object = BpfObject.open(fixture("packet"), { name: "packet" }).load();
    const program = object.program("pass_on");
    expect(() => program.testRun({ data: new Uint8Array(4) })).toThrow("test-run pass_on: Invalid argument");
    expect(() => program.testRun({ data: PACKET, dataSizeOut: 10 })).toThrow("ENOSPC");
  });
});

describe("sections that this libbpf does not know", () => {
  test('SEC("tcx/ingress") is refused with what to write instead, and loads once its type is set', () => {
    const only = (name: string) => {
      const open = BpfObject.open(fixture("tcx_section"), { name: "tcx" });
      for (const program of open.programs()) program.setAutoload(program.name === name);
      return open;
    };
    const error = thrown(DatapathError, () => only("by_tcx").load());
    expect(error.hint).toBe(
      'libbpf 1.1 does not know SEC("tcx/ingress"): write SEC("tc"), which attachTcx() takes as well',
    );
    const other = thrown(DatapathError, () => only("by_nothing").load());
    expect(other.hint).toContain('open.program("by_nothing").setType()');
    const open = only("by_tcx");
    const BPF_PROG_TYPE_SCHED_CLS = 3;
    open.program("by_tcx").setType(BPF_PROG_TYPE_SCHED_CLS, 0);
    using loaded = open.load();
    expect(loaded.program({ name: "by_tcx" }).testRun({ data: PACKET }).retval).toBe(0);
  });
});

describe("an object's parts", () => {
  test("are listed: maps with their whole names, and the programs that were loaded", () => {
    const open = BpfObject.open(fixture("packet"), { name: "packet" });
    open.program({ name: "pass_on" }).setAutoload(false);
    using object = open.load();
    expect(object.programs().map(({ name }) => name)).toEqual(["count_hits", "pass_on_too"]);
    expect(object.programNames()).toEqual(["count_hits", "pass_on", "pass_on_too"]);
    expect(object.maps().map(({ name }) => name)).toEqual(object.mapNames());
    expect(object.maps().find(({ name }) => name === "numbers")).toMatchObject({ type: 1, keySize: 4, valueSize: 8 });
  });

  test("of an object that was loaded or closed throw, with the reason", () => {
    const open = BpfObject.open(fixture("packet"), { name: "packet" });
    const map = open.map("numbers");
    const object = open.load();
    const reason = "it was loaded: use the object that load() returned";
    expect(thrown(DatapathError, () => open.maps())).toMatchObject({
      code: "BAD_USAGE",
      op: "use BPF object packet",
      reason,
    });
    expect(thrown(DatapathError, () => map.setMaxEntries(1)).reason).toBe(reason);
    expect(thrown(DatapathError, () => open.load()).reason).toBe(reason);
    object.close();
    expect(thrown(DatapathError, () => object.maps()).reason).toBe("it is closed");
  });
});
