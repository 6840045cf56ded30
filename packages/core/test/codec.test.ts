import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { be16, be32, bytes, type Codec, u16, u32, u64, u8 } from "../src/libbpf/codec.ts";
import { perCpu } from "../src/libbpf/per-cpu.ts";

describe("scalars", () => {
  test.each([
    ["u8", u8, 0x12, [0x12]],
    ["u16", u16, 0x1234, [0x34, 0x12]],
    ["u32", u32, 0x12345678, [0x78, 0x56, 0x34, 0x12]],
    ["be16", be16, 25565, [0x63, 0xdd]],
    ["be32", be32, 0x0a020005, [10, 2, 0, 5]],
  ] as const)("%s has its byte order, both ways", (_name, codec, value, golden) => {
    expect([...codec.write(value)]).toEqual([...golden]);
    expect(codec.read(Uint8Array.from(golden))).toBe(value);
  });

  test("u64 is a bigint of the host's byte order", () => {
    const golden = [8, 7, 6, 5, 4, 3, 2, 1];
    expect([...u64.write(0x0102030405060708n)]).toEqual(golden);
    expect(u64.read(Uint8Array.from(golden))).toBe(0x0102030405060708n);
  });

  test.each([
    ["u8", u8],
    ["u16", u16],
    ["u32", u32],
    ["be16", be16],
    ["be32", be32],
  ] as const)("%s refuses what does not fit rather than wrap", (_name, codec) => {
    const max = 2 ** (8 * codec.size) - 1;
    expect(codec.read(codec.write(max))).toBe(max);
    for (const bad of [-1, max + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => codec.write(bad)).toThrow(RangeError);
    }
  });

  test("u64 refuses what does not fit", () => {
    expect(() => u64.write(-1n)).toThrow(RangeError);
    expect(() => u64.write(2n ** 64n)).toThrow(RangeError);
  });

  test("what is written reads back, from any place in a buffer", () => {
    const roundTrips = <T>(codec: Codec<T>, values: fc.Arbitrary<T>) =>
      fc.assert(
        fc.property(values, fc.nat(7), (value, shift) => {
          const buffer = new Uint8Array(shift + codec.size + 3);
          buffer.set(codec.write(value), shift);
          expect(codec.read(buffer.subarray(shift, shift + codec.size))).toEqual(value);
        }),
      );
    roundTrips(u32, fc.integer({ min: 0, max: 0xffffffff }));
    roundTrips(be16, fc.integer({ min: 0, max: 0xffff }));
    roundTrips(u64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    roundTrips(bytes(5), fc.uint8Array({ minLength: 5, maxLength: 5 }));
  });
});

test("bytes are copied when read: the buffer may be used again", () => {
  const buffer = Uint8Array.from([1, 2]);
  const value = bytes(2).read(buffer);
  buffer[0] = 9;
  expect([...value]).toEqual([1, 2]);
  expect(() => bytes(2).write(new Uint8Array(3))).toThrow(RangeError);
});

describe("per-CPU values", () => {
  test("each CPU's value is padded to eight bytes", () => {
    const codec = perCpu(u32, 3);
    expect(codec.size).toBe(24);
    expect([...codec.write([1, 2, 3])]).toEqual([1, 2, 3].flatMap((value) => [value, 0, 0, 0, 0, 0, 0, 0]));
    expect(codec.read(codec.write([1, 2, 3]))).toEqual([1, 2, 3]);
  });

  test("there is one value for each CPU, no more and no less", () => {
    expect(() => perCpu(u32, 2).write([1])).toThrow("1 values given for 2 possible CPUs");
  });
});
