import { byteCount, MalformedMessageError, within } from "./malformed.ts";
import { type Codec, u16, viewOf } from "./scalar.ts";

/*
 * struct nlattr {
 *         __u16 nla_len;   // header and payload, without the padding that follows
 *         __u16 nla_type;  // the two top bits are flags
 * };
 */
const HEADER_SIZE = 4;

/** The payload consists of attributes. The kernel does not set it everywhere it could. */
export const NLA_F_NESTED = 0x8000;
/** The payload is in network byte order. */
export const NLA_F_NET_BYTEORDER = 0x4000;
const TYPE_MASK = 0x3fff;

/** Messages, attributes and structs begin at multiples of four bytes. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** One attribute with an undecoded payload. */
export interface RawAttribute {
  /** The number, without the flags. */
  readonly type: number;
  /** NLA_F_NESTED, NLA_F_NET_BYTEORDER or 0. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Splits a run of attributes. The payloads are views of `bytes`, not copies. */
export function readRawAttributes(bytes: Uint8Array): RawAttribute[] {
  const view = viewOf(bytes);
  const attributes: RawAttribute[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const left = bytes.byteLength - at;
    if (left < HEADER_SIZE) throw new MalformedMessageError([], `${byteCount(left)} after the last attribute`);
    const length = u16.get(view, at);
    const type = u16.get(view, at + 2);
    if (length < HEADER_SIZE || length > left) {
      const which = `attribute ${type & TYPE_MASK} at byte ${at}`;
      throw new MalformedMessageError([], `${which} has length ${length}, with ${byteCount(left)} left`);
    }
    attributes.push({
      type: type & TYPE_MASK,
      flags: type & ~TYPE_MASK,
      payload: bytes.subarray(at + HEADER_SIZE, at + length),
    });
    at += align(length);
  }
  return attributes;
}

/** The reverse of {@link readRawAttributes}, padded to a multiple of four bytes. */
export function writeRawAttributes(attributes: readonly RawAttribute[]): Uint8Array {
  const size = attributes.reduce((sum, { payload }) => sum + align(HEADER_SIZE + payload.byteLength), 0);
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  let at = 0;
  for (const { type, flags, payload } of attributes) {
    u16.set(view, at, HEADER_SIZE + payload.byteLength);
    u16.set(view, at + 2, type | flags);
    bytes.set(payload, at + HEADER_SIZE);
    at += align(HEADER_SIZE + payload.byteLength);
  }
  return bytes;
}

/** An attribute the table has a line for. */
export interface KnownAttribute<K, T> {
  /** The kernel's name: `IFLA_MTU`. */
  readonly name: K;
  readonly value: T;
  /** As received. Left out when writing, it is NLA_F_NESTED for nested attributes and 0 for others. */
  readonly flags?: number;
}

/** An attribute that is not in the table: of a newer kernel, or not needed here. */
export interface UnknownAttribute {
  readonly name: undefined;
  readonly type: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

/** `V` maps the kernel's names to the types of their values. */
export type Attribute<V> = { [K in keyof V]: KnownAttribute<K, V[K]> }[keyof V] | UnknownAttribute;

/** The attributes of one kind of message, or of one nested attribute, in wire order; see {@link attributes}. */
export interface AttributeSet<V> extends Codec<Attribute<V>[]> {
  readonly nested: true;
  /** The known attributes by name. Of an attribute given twice the last counts, as it does for the kernel. */
  values(list: readonly Attribute<V>[]): Partial<V>;
  /** Attributes in the order of the keys, without those that are undefined. */
  list(values: { readonly [K in keyof V]?: V[K] | undefined }): Attribute<V>[];
}

type Table = Readonly<Record<string, readonly [type: number, codec: unknown]>>;

type TableValues<T extends Table> = { [K in keyof T]: T[K][1] extends Codec<infer V> ? V : never };

/**
 * Declares a set of attributes: the kernel's name, number and payload. Reading damaged bytes throws {@link
 * MalformedMessageError}.
 */
export function attributes<const T extends Table>(table: T): AttributeSet<TableValues<T>> {
  type V = TableValues<T>;
  type Line = { readonly name: string; readonly type: number; readonly codec: Codec<unknown> };
  const lines = Object.entries(table).map(([name, [type, codec]]): Line => ({
    name,
    type,
    codec: codec as Codec<unknown>,
  }));
  const byType = new Map(lines.map((line) => [line.type, line]));
  const byName = new Map(lines.map((line) => [line.name, line]));

  return {
    nested: true,
    read(payload) {
      return readRawAttributes(payload).map(({ type, flags, payload: value }) => {
        const line = byType.get(type);
        if (line === undefined) return { name: undefined, type, flags, value };
        return { name: line.name, value: within(line.name, () => line.codec.read(value)), flags };
      }) as Attribute<V>[];
    },
    write(list) {
      return writeRawAttributes(
        list.map((attribute) => {
          if (attribute.name === undefined) {
            const { type, flags, value } = attribute as UnknownAttribute;
            return { type, flags, payload: value };
          }
          const line = byName.get(attribute.name as string);
          if (line === undefined) throw new RangeError(`no attribute is called ${String(attribute.name)}`);
          const flags = attribute.flags ?? (line.codec.nested ? NLA_F_NESTED : 0);
          return { type: line.type, flags, payload: line.codec.write(attribute.value) };
        }),
      );
    },
    values(list) {
      const values: Record<string, unknown> = {};
      for (const { name, value } of list) if (name !== undefined) values[name as string] = value;
      return values as Partial<V>;
    },
    list(values) {
      return Object.entries(values)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => ({ name, value })) as Attribute<V>[];
    },
  };
}
