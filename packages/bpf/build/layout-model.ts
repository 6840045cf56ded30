/**
 * What the generated layouts say, taken from BTF: pure, no files. Everything a map's key or value is made of, the
 * structs in an order in which each comes after those it contains.
 */
import type { Btf } from "../src/btf.ts";
import { mapDefinitions } from "../src/map-definition.ts";

export interface Layouts {
  readonly enums: readonly EnumModel[];
  readonly structs: readonly StructModel[];
  readonly maps: readonly MapModel[];
}

export interface EnumModel {
  readonly name: string;
  readonly values: readonly { readonly name: string; readonly value: number }[];
}

export interface StructModel {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly FieldModel[];
}

export interface FieldModel {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly type: string;
  readonly shape: Shape;
}

/**
 * How a field is read and written; `padding` and `opaque` are neither: they stay zero. Opaque is what only the kernel
 * looks into, like struct bpf_timer, whose declaration names no member.
 */
export type Shape =
  | { readonly kind: "u8" | "u16" | "u32" | "s32" | "u64" | "be16" | "ipv4" | "mac" | "padding" | "opaque" }
  | { readonly kind: "text" | "u64s"; readonly length: number }
  | { readonly kind: "enum" | "struct"; readonly name: string };

export interface MapModel {
  readonly name: string;
  readonly type: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly key: ValueModel;
  readonly value: ValueModel;
}

export interface ValueModel {
  readonly type: string;
  readonly shape: Shape;
}

/** The C of a map uses something this generator has no rendering for, or two objects disagree. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}

/**
 * The layouts of several objects together. What more than one of them has must be the same in all.
 * Throws {@link ModelError}.
 */
export function layoutsOf(objects: readonly Btf[]): Layouts {
  const enums = new Map<string, EnumModel>();
  const structs = new Map<string, StructModel>();
  const maps = new Map<string, MapModel>();

  for (const btf of objects) {
    const addStruct = (name: string): void => {
      const type = btf.find("struct", name);
      if (type === undefined) throw new ModelError(`struct ${name || "(anonymous)"} has no definition`);
      const fields = type.members.map((member): FieldModel => {
        const where = `struct ${name}: ${member.name}`;
        if (member.bitSize !== 0 || member.bitOffset % 8 !== 0) throw new ModelError(`${where}: a bit-field`);
        const padding = /^pad\d*$/.test(member.name);
        const shape: Shape = padding ? { kind: "padding" } : shapeOf(btf, member.type, where);
        if (shape.kind === "struct") addStruct(shape.name);
        return {
          name: member.name,
          offset: member.bitOffset / 8,
          size: btf.sizeOf(member.type),
          type: btf.describe(member.type),
          shape,
        };
      });
      const model = { name, size: type.size, fields };
      refuseHoles(model);
      addSame(structs, model);
    };
    const valueOf = (id: number, where: string): ValueModel => {
      const shape = shapeOf(btf, id, where);
      if (shape.kind === "struct") addStruct(shape.name);
      else if (shape.kind !== "u32" && shape.kind !== "ipv4") throw new ModelError(`${where}: ${btf.describe(id)}`);
      return { type: btf.describe(id), shape };
    };

    for (const { key, value, ...definition } of mapDefinitions(btf)) {
      addSame(maps, {
        ...definition,
        key: valueOf(key, `map ${definition.name}: key`),
        value: valueOf(value, `map ${definition.name}: value`),
      });
    }
    for (const type of btf.types) {
      if (type.kind !== "enum" || !type.name.startsWith("dp_")) continue;
      addSame(enums, {
        name: type.name,
        values: type.values.map(({ name, value }) => ({ name, value: Number(value) })),
      });
    }
  }
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  return {
    enums: [...enums.values()].toSorted(byName),
    structs: [...structs.values()],
    maps: [...maps.values()].toSorted(byName),
  };
}

function shapeOf(btf: Btf, id: number, where: string): Shape {
  const c = btf.describe(id);
  if (c === "__be16") return { kind: "be16" };
  if (c === "__be32") return { kind: "ipv4" };
  if (c === "__u8[6]") return { kind: "mac" };
  const type = btf.resolve(id);
  switch (type.kind) {
    case "int":
      if (!type.signed && type.size === 1) return { kind: "u8" };
      if (!type.signed && type.size === 2) return { kind: "u16" };
      if (type.size === 4) return { kind: type.signed ? "s32" : "u32" };
      if (!type.signed && type.size === 8) return { kind: "u64" };
      break;
    case "array": {
      if (btf.describe(type.type) === "char") return { kind: "text", length: type.length };
      if (btf.describe(type.type) === "__u64") return { kind: "u64s", length: type.length };
      break;
    }
    case "struct":
      // Unnamed bit-fields: compilers leave them out of BTF, or keep them without a name.
      if (type.members.every((member) => member.name === "" && member.bitSize !== 0)) return { kind: "opaque" };
      return { kind: "struct", name: type.name };
    case "enum":
      if (type.size === 4) return { kind: "enum", name: type.name };
      break;
    default:
  }
  throw new ModelError(`${where}: no rendering for ${c}`);
}

/** The compiler's own padding has no name and holds whatever the stack did: it must be spelled out in the C. */
function refuseHoles({ name, size, fields }: StructModel): void {
  let end = 0;
  for (const field of fields) {
    if (field.offset !== end) throw new ModelError(`struct ${name}: unnamed padding before ${field.name}`);
    end = field.offset + field.size;
  }
  if (end !== size) throw new ModelError(`struct ${name}: unnamed padding at its end`);
}

function addSame<T extends { readonly name: string }>(known: Map<string, T>, model: T): void {
  const before = known.get(model.name);
  if (before === undefined) known.set(model.name, model);
  else if (JSON.stringify(before) !== JSON.stringify(model)) {
    throw new ModelError(`${model.name} is not the same in all objects`);
  }
}
