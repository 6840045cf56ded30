import type { Btf } from "./btf.ts";
import { structLayouts } from "./layout.gen.ts";

/** One number, address or text inside a map's key or value: structs are taken apart. */
export interface Leaf {
  /** Names from the outside in, `traffic.packets`; empty when the key or value is nothing but this. */
  readonly path: string;
  /** In bytes, from the start of the key or value. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  /** As C writes it: `__be32`, `char[16]`. */
  readonly type: string;
}

/** What a map's key or value is made of, without padding. */
export interface Shape {
  /** In bytes, padding included. */
  readonly size: number;
  readonly leaves: readonly Leaf[];
}

const PADDING = /^pad\d*$/;

/** What only the kernel looks into, such as struct bpf_timer. */
export function isOpaque(type: string): boolean {
  return type.startsWith("struct ") && type !== ADDRESS;
}

/** An address of either family: one value, whatever is inside. */
const ADDRESS = "struct dp_addr";

/** The shape of a type in BTF. Throws `BtfError` for damaged BTF. */
export function shapeOfType(btf: Btf, id: number): Shape {
  const leavesOf = (type: number, path: string, offset: number): Leaf[] => {
    const resolved = btf.resolve(type);
    const c = btf.describe(type);
    // Structs of other names are the kernel's: a leaf, whatever is inside.
    if (resolved.kind !== "struct" || !resolved.name.startsWith("dp_") || c === ADDRESS) {
      return [{ path, offset, size: btf.sizeOf(type), type: c }];
    }
    return resolved.members
      .filter(({ name }) => !PADDING.test(name))
      .flatMap((member) => leavesOf(member.type, join(path, member.name), offset + member.bitOffset / 8));
  };
  return { size: btf.sizeOf(id), leaves: leavesOf(id, "", 0) };
}

/** The shape of a type of the generated layouts: `keyType` or `valueType` of one of `mapLayouts`. Throws nothing. */
export function shapeOfLayout(type: string, size: number): Shape {
  const leavesOf = (of: string, path: string, offset: number, length: number): Leaf[] => {
    const struct = structLayouts.find(({ name }) => of === `struct ${name}`);
    if (struct === undefined) return [{ path, offset, size: length, type: of }];
    return struct.fields
      .filter(({ name }) => !PADDING.test(name))
      .flatMap((field) => leavesOf(field.type, join(path, field.name), offset + field.offset, field.size));
  };
  return { size, leaves: leavesOf(type, "", 0, size) };
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** Whether bytes of one shape are bytes of the other. Throws nothing. */
export function isSameShape(one: Shape, other: Shape): boolean {
  const text = ({ size, leaves }: Shape) =>
    JSON.stringify([size, leaves.map(({ path, offset, size: bytes, type }) => [path, offset, bytes, plain(type)])]);
  return text(one) === text(other);
}

/** An enum of C is stored as the number it is. */
function plain(type: string): string {
  return type.startsWith("enum ") ? "__u32" : type;
}
