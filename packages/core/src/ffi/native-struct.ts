/**
 * C structures passed by pointer: libbpf's opts and the attr union of bpf(2).
 *
 * A layout names the fields in C's order; offsets follow from C's own alignment rules (a test compares every one of
 * them with the compiler's). All bytes start as zero, which is what libbpf and the kernel ask of fields not used.
 */
import koffi from "koffi";
import { NativeMemory } from "./libc.ts";

const FIELD_TYPES = {
  u8: { size: 1, alignment: 1 },
  u32: { size: 4, alignment: 4 },
  i32: { size: 4, alignment: 4 },
  u64: { size: 8, alignment: 8 },
  pointer: { size: 8, alignment: 8 },
  bytes8: { size: 8, alignment: 1 },
  bytes16: { size: 16, alignment: 1 },
} as const;

export type FieldType = keyof typeof FIELD_TYPES;
export type Fields = Record<string, FieldType>;

/** The target of a pointer field: bytes, text (passed NUL-terminated), or memory that is native already. */
export type Memory = Uint8Array | string | NativeMemory;

interface ValueOf {
  u8: number;
  u32: number;
  i32: number;
  u64: bigint;
  pointer: Memory;
  bytes8: Uint8Array;
  bytes16: Uint8Array;
}

/** What a field reads back as: a pointer as the address it holds. */
interface Read extends Omit<ValueOf, "pointer"> {
  pointer: bigint;
}

export interface StructType<F extends Fields> {
  /** The structure's C name. */
  readonly name: string;
  readonly size: number;
  readonly fields: F;
  readonly offsets: { readonly [K in keyof F]: number };
}

/** Declares a structure: fields in C's order. */
export function struct<const F extends Fields>(name: string, fields: F): StructType<F> {
  const offsets: Record<string, number> = {};
  let end = 0;
  let largest = 1;
  for (const [field, type] of Object.entries(fields)) {
    const { size, alignment } = FIELD_TYPES[type];
    const offset = roundUp(end, alignment);
    offsets[field] = offset;
    end = offset + size;
    largest = Math.max(largest, alignment);
  }
  return { name, size: roundUp(end, largest), fields, offsets: offsets as StructType<F>["offsets"] };
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/**
 * Everything that an undisposed NativeStruct points to. An engine may free memory that only an address, a number,
 * refers to; so a reference is kept here until the structure is disposed.
 */
const held = new Set<unknown>();

/** One structure in memory. Dispose it after the call: until then it keeps what it points to alive. */
export class NativeStruct<F extends Fields> implements Disposable {
  readonly bytes: Uint8Array;
  readonly #type: StructType<F>;
  readonly #view: DataView;
  readonly #targets: unknown[] = [];

  /** Fields without a value, and those given as undefined, stay zero. */
  constructor(type: StructType<F>, values: { [K in keyof F]?: ValueOf[F[K]] | undefined } = {}) {
    this.bytes = new Uint8Array(new ArrayBuffer(type.size));
    this.#type = type;
    this.#view = new DataView(this.bytes.buffer);
    held.add(this.#targets);
    // libbpf's convention: `sz` is the size of the structure the caller was built with.
    if ("sz" in type.fields) this.#view.setBigUint64(type.offsets["sz"] as number, BigInt(type.size), true);
    for (const [field, value] of Object.entries(values)) {
      if (value !== undefined) this.#set(field, value as ValueOf[FieldType]);
    }
  }

  #set(field: string, value: ValueOf[FieldType]): void {
    const offset = this.#type.offsets[field] as number;
    switch (this.#type.fields[field]) {
      case "pointer":
        return this.#view.setBigUint64(offset, this.#addressOf(value as Memory), true);
      case "u64":
        return this.#view.setBigUint64(offset, value as bigint, true);
      case "i32":
        return this.#view.setInt32(offset, value as number, true);
      case "u32":
        return this.#view.setUint32(offset, value as number, true);
      case "u8":
        return this.#view.setUint8(offset, value as number);
      default:
        return this.bytes.set(value as Uint8Array, offset);
    }
  }

  /** A field's value, as the call left it. */
  get<K extends keyof F & string>(field: K): Read[F[K]] {
    return this.#get(field) as Read[F[K]];
  }

  #get(field: string): Read[FieldType] {
    const offset = this.#type.offsets[field] as number;
    const type = this.#type.fields[field] as FieldType;
    switch (type) {
      case "u64":
      case "pointer":
        return this.#view.getBigUint64(offset, true);
      case "i32":
        return this.#view.getInt32(offset, true);
      case "u32":
        return this.#view.getUint32(offset, true);
      case "u8":
        return this.#view.getUint8(offset);
      default:
        return this.bytes.slice(offset, offset + FIELD_TYPES[type].size);
    }
  }

  #addressOf(target: Memory): bigint {
    if (target instanceof NativeMemory) {
      this.#targets.push(target);
      return target.address;
    }
    const bytes = typeof target === "string" ? new TextEncoder().encode(`${target}\0`) : target;
    // Asking for `.buffer` moves small arrays out of the engine's own heap: from then on their address stays.
    this.#targets.push(bytes, bytes.buffer);
    // SAFETY: the address is valid as long as `held` names the array, which is until this structure is disposed.
    return koffi.address(bytes);
  }

  [Symbol.dispose](): void {
    held.delete(this.#targets);
  }
}
