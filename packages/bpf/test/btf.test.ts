import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  Btf,
  BtfError,
  checkLayouts,
  ElfError,
  elfSection,
  elfSections,
  mapDefinitions,
  programDefinitions,
  objects,
} from "../src/index.ts";

/** A `.BTF` section in the making: types are lists of 32-bit words, strings are added as they are named. */
class BtfWriter {
  readonly #words: number[] = [];
  #strings = "\0";

  name(text: string): number {
    const offset = this.#strings.length;
    this.#strings += `${text}\0`;
    return offset;
  }

  /** struct btf_type, and the words that follow it. */
  type(kind: number, name: string, sizeOrType: number, extra: number[] = [], length = 0, flag = 0): this {
    const info = ((flag << 31) | (kind << 24) | length) >>> 0;
    this.#words.push(name === "" ? 0 : this.name(name), info, sizeOrType, ...extra);
    return this;
  }

  bytes(): Uint8Array {
    const types = new Uint8Array(Uint32Array.from(this.#words).buffer);
    const strings = new TextEncoder().encode(this.#strings);
    const header = Uint32Array.from([0x0001eb9f, 24, 0, types.length, types.length, strings.length]);
    return Uint8Array.from([...new Uint8Array(header.buffer), ...types, ...strings]);
  }
}

const INT = 1;
const PTR = 2;
const ARRAY = 3;
const STRUCT = 4;
const ENUM = 6;
const TYPEDEF = 8;
const VOLATILE = 9;
const CONST = 10;
const VAR = 14;
const DATASEC = 15;
const ENUM64 = 19;

test("every kind is read, and what follows it is found", () => {
  const writer = new BtfWriter();
  writer
    .type(INT, "unsigned int", 4, [32]) // 1
    .type(INT, "int", 4, [(1 << 24) | 32]) // 2
    .type(TYPEDEF, "__u32", 1) // 3
    .type(TYPEDEF, "__be32", 3) // 4
    .type(ARRAY, "", 0, [4, 1, 3]) // 5: __be32[3]
    .type(STRUCT, "pair", 16, [writer.name("a"), 4, 0, writer.name("b"), 5, 32], 2) // 6
    .type(STRUCT, "bits", 4, [writer.name("low"), 1, 4 << 24, writer.name("high"), 1, (28 << 24) | 4], 2, 1) // 7
    .type(ENUM, "sign", 4, [writer.name("MINUS"), 0xffffffff, writer.name("PLUS"), 1], 2, 1) // 8
    .type(ENUM, "plain", 4, [writer.name("BIG"), 0xffffffff], 1) // 9
    .type(ENUM64, "wide", 8, [writer.name("HUGE"), 1, 2], 1) // 10
    .type(CONST, "", 4) // 11
    .type(VOLATILE, "", 11) // 12
    .type(PTR, "", 6) // 13
    .type(7, "forward", 0) // 14
    .type(13, "", 1, [0, 2], 1) // 15: func_proto
    .type(12, "function", 15) // 16
    .type(VAR, "variable", 2, [1]) // 17
    .type(DATASEC, ".data", 4, [17, 0, 4], 1) // 18
    .type(16, "float", 4) // 19
    .type(17, "tag", 6, [0xffffffff]) // 20
    .type(18, "user", 6) // 21: type_tag
    .type(11, "", 13); // 22: restrict
  const btf = Btf.parse(writer.bytes());

  expect(btf.types.length).toBe(23);
  expect(btf.type(2)).toEqual({ kind: "int", name: "int", size: 4, signed: true });
  expect(btf.find("struct", "pair")?.members).toEqual([
    { name: "a", type: 4, bitOffset: 0, bitSize: 0 },
    { name: "b", type: 5, bitOffset: 32, bitSize: 0 },
  ]);
  expect(btf.find("struct", "bits")?.members.map(({ bitOffset, bitSize }) => [bitOffset, bitSize])).toEqual([
    [0, 4],
    [4, 28],
  ]);
  expect(btf.find("enum", "sign")?.values).toEqual([
    { name: "MINUS", value: -1n },
    { name: "PLUS", value: 1n },
  ]);
  expect(btf.find("enum", "plain")?.values).toEqual([{ name: "BIG", value: 0xffffffffn }]);
  expect(btf.find("enum", "wide")?.values).toEqual([{ name: "HUGE", value: 0x2_0000_0001n }]);
  expect(btf.find("struct", "sign")).toBeUndefined();

  expect([4, 5, 6, 8, 12, 13, 21, 22].map((id) => btf.describe(id))).toEqual([
    "__be32",
    "__be32[3]",
    "struct pair",
    "enum sign",
    "__be32",
    "pointer",
    "struct pair",
    "pointer",
  ]);
  expect([1, 5, 6, 8, 12, 13].map((id) => btf.sizeOf(id))).toEqual([4, 12, 16, 4, 4, 8]);
  expect(btf.unqualified(12)).toBe(4);
  expect(btf.resolve(12)).toEqual(btf.type(1));
  expect(() => btf.sizeOf(16)).toThrow("a func has no size");
  expect(() => btf.type(23)).toThrow("type 23 does not exist: there are 22");
});

test("types that contain themselves are refused, not followed for ever", () => {
  const circles = new BtfWriter().type(TYPEDEF, "t", 1).type(CONST, "", 2).type(ARRAY, "", 0, [3, 1, 1]);
  const btf = Btf.parse(circles.bytes());
  expect(() => btf.resolve(1)).toThrow(BtfError);
  expect(() => btf.unqualified(2)).toThrow(BtfError);
  expect(() => btf.sizeOf(3)).toThrow(BtfError);
  expect(() => btf.describe(3)).toThrow(BtfError);
});

test("a map's definition is read out of libbpf's macros", () => {
  const writer = new BtfWriter();
  writer
    .type(INT, "int", 4, [32]) // 1
    .type(ARRAY, "", 0, [1, 1, 9]) // 2: __uint(.., 9)
    .type(PTR, "", 2) // 3
    .type(ARRAY, "", 0, [1, 1, 4096]) // 4
    .type(PTR, "", 4) // 5
    .type(PTR, "", 1) // 6: __type(.., int)
    .type(
      STRUCT,
      "",
      32,
      ["type", "max_entries", "key", "value"].flatMap((member, index) => [
        writer.name(member),
        [3, 5, 6, 6][index] as number,
        index * 64,
      ]),
      4,
    ) // 7
    .type(VAR, "cache", 7, [1]) // 8
    .type(DATASEC, ".maps", 32, [8, 0, 32], 1); // 9
  expect(mapDefinitions(Btf.parse(writer.bytes()))).toEqual([
    { name: "cache", type: 9, maxEntries: 4096, flags: 0, key: { type: 1 }, value: { type: 1 }, inner: undefined },
  ]);
  expect(mapDefinitions(Btf.parse(new BtfWriter().bytes()))).toEqual([]);
});

test("a map that does not say what it holds is refused", () => {
  const writer = new BtfWriter();
  writer
    .type(INT, "int", 4, [32])
    .type(PTR, "", 1)
    .type(STRUCT, "", 8, [writer.name("type"), 2, 0], 1)
    .type(VAR, "odd", 3, [1])
    .type(DATASEC, ".maps", 8, [4, 0, 8], 1);
  expect(() => mapDefinitions(Btf.parse(writer.bytes()))).toThrow("map odd: type is not an __uint");
});

test("damaged headers are named", () => {
  const good = new BtfWriter().type(INT, "int", 4, [32]).bytes();
  const damaged = (at: number, byte: number) => () => Btf.parse(good.with(at, byte));
  expect(() => Btf.parse(good.subarray(0, 23))).toThrow("not BTF: only 23 bytes");
  expect(damaged(0, 0)).toThrow("not little-endian BTF");
  expect(damaged(2, 9)).toThrow("BTF version 9");
  expect(damaged(4, 8)).toThrow("BTF header of 8 bytes");
  expect(damaged(12, 0xff)).toThrow("the BTF type section is cut off");
  expect(damaged(20, 0xff)).toThrow("the BTF string section is cut off");
  expect(damaged(12, 12)).toThrow("the BTF type section ends inside a type");
  expect(damaged(24, 0xff)).toThrow("a BTF name lies beyond the strings");
  expect(damaged(31, 31)).toThrow("type 1 is of the unknown kind 31");
});

/** Parses as far as it goes; damage may only surface as one of the package's own errors. */
function survives(body: () => unknown): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof BtfError || error instanceof ElfError)) throw error;
  }
}

test("BTF cut off at any byte is refused", () => {
  const section = elfSection(objects.snat(), ".BTF") as Uint8Array;
  for (let length = 0; length < section.byteLength; length++) {
    expect(() => Btf.parse(section.subarray(0, length))).toThrow(BtfError);
  }
});

test("an object cut off at any byte is refused or read, never misread beyond its end", () => {
  const object = objects.arp();
  for (let length = 0; length < object.byteLength; length += 7)
    survives(() => checkLayouts(object.subarray(0, length)));
});

test("an object with any bytes changed gives an answer or an error of this package", () => {
  const object = objects.arp();
  const btfOffset = (elfSection(object, ".BTF") as Uint8Array).byteOffset - object.byteOffset;
  const position = fc.oneof(
    fc.integer({ min: 0, max: 63 }),
    fc.integer({ min: object.byteLength - 64 * elfSections(object).length, max: object.byteLength - 1 }),
    fc.integer({ min: btfOffset, max: btfOffset + 4000 }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(position, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
      (changes) => {
        const copy = object.slice();
        for (const [at, byte] of changes) copy[at] = byte;
        survives(() => checkLayouts(copy));
        survives(() => mapDefinitions(Btf.fromObject(copy)));
        survives(() => programDefinitions(copy));
      },
    ),
    { numRuns: 2000 },
  );
});

test("garbage is refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      survives(() => elfSections(bytes));
      survives(() => Btf.parse(bytes));
    }),
  );
  expect(() => elfSections(new Uint8Array(64))).toThrow("does not begin with \\x7fELF");
  const object = objects.arp();
  expect(() => elfSections(object.with(4, 1))).toThrow("not a 64-bit ELF file");
  expect(() => elfSections(object.with(5, 2))).toThrow("not a little-endian ELF file");
  expect(() => elfSections(object.with(18, 62))).toThrow("not a BPF object: machine 62, expected 247");
  expect(elfSection(object, ".no-such-section")).toBeUndefined();
});

test("a section's name, its bytes and the object's own buffer belong together", () => {
  const object = objects.arp();
  const license = elfSection(object, "license") as Uint8Array;
  expect(new TextDecoder().decode(license)).toBe("Dual BSD/GPL\0");
  expect(license.buffer).toBe(object.buffer);
});
