import { byteCount, MalformedMessageError } from "./malformed.ts";
import { type Codec, type Field, viewOf } from "./scalar.ts";

/** Bytes of a struct that mean nothing: written as zero, not read. */
export interface Padding {
  readonly size: number;
  readonly padding: true;
}

/** Bytes of a struct that mean nothing. Throws nothing. */
export function padding(size: number): Padding {
  return { size, padding: true };
}

type Fields = Readonly<Record<string, Field<number> | Field<bigint> | Padding>>;

type StructValue<F extends Fields> = {
  [K in keyof F as F[K] extends Padding ? never : K]: F[K] extends Field<infer T> ? T : never;
};

/** A C struct. */
export interface Struct<T> extends Codec<T> {
  /** The C name. */
  readonly name: string;
  /** sizeof. */
  readonly size: number;
  /** Decodes the start of `payload`: structs of the kernel's interface grow at their end. */
  read(payload: Uint8Array): T;
  /** Members left out are zero. */
  write(value: Partial<T>): Uint8Array;
  /** A whole value from some of its members; the others are zero. */
  of(value: Partial<T>): T;
}

/**
 * Declares a C struct by its members in order. Members are placed one after the other: spell the padding out. Reading
 * too few bytes throws {@link MalformedMessageError}.
 */
export function struct<const F extends Fields>(name: string, fields: F): Struct<StructValue<F>> {
  const places: { readonly key: string; readonly at: number; readonly field: Field<number | bigint> }[] = [];
  let size = 0;
  for (const [key, field] of Object.entries(fields)) {
    if (!("padding" in field)) places.push({ key, at: size, field: field as Field<number | bigint> });
    size += field.size;
  }
  const codec: Struct<StructValue<F>> = {
    name,
    size,
    read(payload) {
      if (payload.byteLength < size) {
        throw new MalformedMessageError([], `${byteCount(payload.byteLength)} where struct ${name} has ${size}`);
      }
      const view = viewOf(payload);
      const value: Record<string, number | bigint> = {};
      for (const { key, at, field } of places) value[key] = field.get(view, at);
      return value as StructValue<F>;
    },
    write(value) {
      const bytes = new Uint8Array(size);
      const view = viewOf(bytes);
      for (const { key, at, field } of places) {
        const member = (value as Record<string, number | bigint | undefined>)[key];
        if (member !== undefined) field.set(view, at, member);
      }
      return bytes;
    },
    of: (value) => codec.read(codec.write(value)),
  };
  return codec;
}
