import type { Btf } from "./btf.ts";
import { structLayouts } from "./layout.gen.ts";

/** One number, address or text inside a map's key or value. Structs and arrays of structs are taken apart. */
export interface Leaf {
  /** Names from the outside in, `forwards[0].uplink`; empty when the key or value is nothing but this. */
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

/** Whether only the kernel reads what is inside, as of struct bpf_timer. */
export function isOpaque(type: string): boolean {
  return type.startsWith("struct ") && type !== ADDRESS;
}

/** An address of either family: one value, whatever is inside. */
const ADDRESS = "struct dp_addr";

/** A type, with what it is made of. */
interface Composite {
  /** As C writes it. */
  readonly type: string;
  readonly size: number;
  /** The members of a struct of ours, the elements of an array of such structs; undefined for anything else. */
  parts(): { name: string; offset: number; of: Composite }[] | undefined;
}

function leavesOf(composite: Composite, path = "", offset = 0): Leaf[] {
  const { type, size } = composite;
  const parts = composite.parts();
  if (parts === undefined) return [{ path, offset, size, type }];
  return parts
    .filter(({ name }) => !PADDING.test(name))
    .flatMap((part) => leavesOf(part.of, join(path, part.name), offset + part.offset));
}

/** Structs of other names are the kernel's. */
function isOurs(type: string): boolean {
  return /^struct dp_\w+$/.test(type) && type !== ADDRESS;
}

/** `struct dp_forward` of `struct dp_forward[32]`: the elements of arrays of structs are parts like members. */
function elementsOf(type: string): { element: string; length: number } | undefined {
  const [, element, length] = /^(struct dp_\w+)\[(\d+)\]$/.exec(type) ?? [];
  return element === undefined ? undefined : { element, length: Number(length) };
}

function elements(length: number, of: Composite): ReturnType<Composite["parts"]> {
  return Array.from({ length }, (_, index) => ({ name: `[${index}]`, offset: index * of.size, of }));
}

/** The shape of a type in BTF. Throws `BtfError` for damaged BTF. */
export function shapeOfType(btf: Btf, id: number): Shape {
  return { size: btf.sizeOf(id), leaves: leavesOf(compositeOfType(btf, id)) };
}

function compositeOfType(btf: Btf, id: number): Composite {
  const type = btf.describe(id);
  return {
    type,
    size: btf.sizeOf(id),
    parts() {
      const resolved = btf.resolve(id);
      const array = elementsOf(type);
      if (array !== undefined && resolved.kind === "array") {
        return elements(array.length, compositeOfType(btf, resolved.type));
      }
      if (!isOurs(type) || resolved.kind !== "struct") return undefined;
      return resolved.members.map((member) => ({
        name: member.name,
        offset: member.bitOffset / 8,
        of: compositeOfType(btf, member.type),
      }));
    },
  };
}

/** The shape of a type of the generated layouts: `keyType` or `valueType` of one of `mapLayouts`. Throws nothing. */
export function shapeOfLayout(type: string, size: number): Shape {
  return { size, leaves: leavesOf(compositeOfLayout(type, size)) };
}

function compositeOfLayout(type: string, size: number): Composite {
  return {
    type,
    size,
    parts() {
      const array = elementsOf(type);
      if (array !== undefined) return elements(array.length, compositeOfLayout(array.element, size / array.length));
      if (!isOurs(type)) return undefined;
      const struct = structLayouts.find(({ name }) => type === `struct ${name}`);
      return struct?.fields.map((field) => ({
        name: field.name,
        offset: field.offset,
        of: compositeOfLayout(field.type, field.size),
      }));
    },
  };
}

function join(path: string, name: string): string {
  return path === "" || name.startsWith("[") ? path + name : `${path}.${name}`;
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
