import { align, type Attribute, type AttributeSet } from "./attribute.ts";
import { byteCount, MalformedMessageError } from "./malformed.ts";
import type { Codec } from "./scalar.ts";
import type { Struct } from "./struct.ts";

/** What most netlink messages carry: a fixed struct, then attributes. */
export interface Body<H, V> {
  readonly header: H;
  readonly attributes: Attribute<V>[];
}

export interface BodyCodec<H, V> extends Codec<Body<H, V>> {
  readonly nested: true;
  /** Members of the header left out are zero. */
  write(body: { readonly header: Partial<H>; readonly attributes: readonly Attribute<V>[] }): Uint8Array;
  /** {@link write}, with the attributes as an object. */
  build(header: Partial<H>, values: { readonly [K in keyof V]?: V[K] | undefined }): Uint8Array;
}

/**
 * A message's payload after the netlink header: a struct, then attributes. Reading damaged bytes throws {@link
 * MalformedMessageError}.
 */
export function body<H, V>(header: Struct<H>, attributes: AttributeSet<V>): BodyCodec<H, V> {
  const start = align(header.size);
  function write(value: { header: Partial<H>; attributes: readonly Attribute<V>[] }): Uint8Array {
    const tail = attributes.write([...value.attributes]);
    const bytes = new Uint8Array(start + tail.byteLength);
    bytes.set(header.write(value.header));
    bytes.set(tail, start);
    return bytes;
  }
  return {
    nested: true,
    read(payload) {
      if (payload.byteLength < header.size) {
        throw new MalformedMessageError(
          [],
          `${byteCount(payload.byteLength)} where struct ${header.name} has ${header.size}`,
        );
      }
      return { header: header.read(payload), attributes: attributes.read(payload.subarray(start)) };
    },
    write,
    build: (head, values) => write({ header: head, attributes: attributes.list(values) }),
  };
}
