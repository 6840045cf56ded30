/**
 * What the generated layouts say, taken from BTF: pure, no files. Everything a map's key or value or a global variable
 * is made of, the structs in an order in which each comes after those it contains.
 */
import type { Btf, BtfType } from "../btf.ts";
import { describePart, type InnerMapDefinition, mapDefinitions, type MapPart } from "../map-definition.ts";
import { ModelError } from "./model-error.ts";
import { isPadding, type Shape, shapeOf, valuesOf } from "./shape.ts";

export interface LayoutModel {
  readonly enums: readonly EnumModel[];
  readonly structs: readonly StructModel[];
  readonly maps: readonly MapModel[];
  readonly variables: readonly VariableModel[];
  /** Global variables that have no rendering, with why. */
  readonly skipped: readonly string[];
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
  /** The array of the struct whose elements in use this field counts; undefined for other fields. */
  readonly counts?: string;
}

/** A map without a name: what a map of maps holds. */
export interface InnerMapModel {
  readonly type: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly key: ValueModel | undefined;
  readonly value: ValueModel | undefined;
}

export interface MapModel extends InnerMapModel {
  readonly name: string;
  /** undefined unless it is a map of maps. */
  readonly inner: InnerMapModel | undefined;
}

export interface ValueModel {
  readonly type: string;
  readonly size: number;
  readonly shape: Shape;
}

export interface VariableModel extends ValueModel {
  readonly name: string;
  readonly section: string;
}

/** An array of a struct, of which another field says how many elements are in use; by their names in C. */
export interface CountedArray {
  readonly struct: string;
  readonly array: string;
  readonly count: string;
}

export interface ModelOptions {
  /** Structs wanted although no map has them: names, or patterns with `*`. */
  readonly structs?: readonly string[];
  /** Likewise enums. */
  readonly enums?: readonly string[];
  /** Structs of 16 bytes that hold an address of either family. */
  readonly addresses?: readonly string[];
  /** Arrays of which a field of the same struct says how many elements are in use. */
  readonly counted?: readonly CountedArray[];
  /** Refuses padding that the compiler adds, in all structs and not in keys alone. */
  readonly explicitPadding?: boolean;
}

/**
 * The layouts of several objects together. What more than one of them has must be the same in all.
 * Throws {@link ModelError}.
 */
export function layoutsOf(objects: readonly Btf[], options: ModelOptions = {}): LayoutModel {
  const collector = new Collector(options);
  for (const btf of objects) collector.add(btf);
  for (const pattern of options.structs ?? []) collector.addNamed(objects, "struct", pattern);
  for (const pattern of options.enums ?? []) collector.addNamed(objects, "enum", pattern);
  return collector.model();
}

class Collector {
  readonly #explicitPadding: boolean;
  readonly #addresses: ReadonlySet<string>;
  readonly #counted: readonly CountedArray[];
  readonly #enums = new Map<string, EnumModel>();
  readonly #structs = new Map<string, StructModel>();
  readonly #maps = new Map<string, MapModel>();
  readonly #variables = new Map<string, VariableModel>();
  readonly #skipped = new Set<string>();

  constructor({ explicitPadding = false, addresses, counted = [] }: ModelOptions) {
    this.#explicitPadding = explicitPadding;
    this.#addresses = new Set(addresses);
    this.#counted = counted;
  }

  add(btf: Btf): void {
    if (btf.find("datasec", "maps") !== undefined) {
      throw new ModelError('maps in SEC("maps"), as libbpf had them before 1.0', 'declare them in SEC(".maps")');
    }
    for (const { name, inner, ...definition } of mapDefinitions(btf)) {
      addSame(this.#maps, {
        name,
        ...this.#map(btf, definition, `map ${name}`),
        inner: inner && this.#map(btf, inner, `map ${name}.inner`),
      });
    }
    for (const section of btf.types) {
      if (section.kind !== "datasec" || !/^\.(rodata|data|bss)/.test(section.name)) continue;
      for (const id of section.variables) this.#addVariable(btf, section.name, btf.type(id));
    }
  }

  #map(btf: Btf, { key, value, ...definition }: InnerMapDefinition, where: string): InnerMapModel {
    const keyModel = this.#part(btf, key, `${where}: key`);
    if (key !== undefined && value === undefined) {
      throw new ModelError(`${where}: a key, and no value`, "say what it holds: __type(value, ...)");
    }
    if (keyModel !== undefined) this.#refuseHoles(keyModel.shape, `it is in the key of ${where}`);
    return { ...definition, key: keyModel, value: this.#part(btf, value, `${where}: value`) };
  }

  #addVariable(btf: Btf, section: string, variable: BtfType): void {
    // Compilers keep strings among them, under names of their own.
    if (variable.kind !== "var" || !/^[A-Za-z_]\w*$/.test(variable.name) || variable.name.startsWith("____")) return;
    const { name } = variable;
    try {
      addSame(this.#variables, { name, section, ...this.#value(btf, variable.type, `variable ${name}`) });
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#skipped.add(error.message);
    }
  }

  /** Adds the types that a pattern names, in whichever objects they are. */
  addNamed(objects: readonly Btf[], kind: "struct" | "enum", pattern: string): void {
    const matches = new RegExp(`^${pattern.replaceAll("*", "\\w*")}$`);
    let found = false;
    for (const btf of objects) {
      for (const [id, type] of btf.types.entries()) {
        if (type.kind !== kind && type.kind !== "typedef") continue;
        if (!matches.test(type.name) || btf.resolve(id).kind !== kind) continue;
        const shape = shapeOf(btf, id, `${kind} ${type.name}`, this.#addresses);
        if (shape.kind === kind) this.#addShape(btf, shape);
        found = true;
      }
    }
    if (found || pattern.includes("*")) return;
    throw new ModelError(
      `no ${kind} ${pattern} in the BTF`,
      "compilers keep what a map, a global variable or a global function uses: declare one, as in\n" +
        `      ${kind} ${pattern} *unused_${pattern} __attribute__((unused));`,
    );
  }

  #part(btf: Btf, part: MapPart | undefined, where: string): ValueModel | undefined {
    if (part === undefined) return undefined;
    if ("type" in part) return this.#value(btf, part.type, where);
    const shape: Shape = part.size === 4 ? { kind: "u32" } : { kind: "bytes", length: part.size };
    return { type: describePart(btf, part), size: part.size, shape };
  }

  #value(btf: Btf, id: number, where: string): ValueModel {
    const shape = shapeOf(btf, id, where, this.#addresses);
    if (shape.kind === "opaque") throw new ModelError(`${where}: no rendering for ${btf.describe(id)}`);
    this.#addShape(btf, shape);
    return { type: btf.describe(id), size: btf.sizeOf(id), shape };
  }

  #addShape(btf: Btf, shape: Shape): void {
    if (shape.kind === "array") this.#addShape(btf, shape.element);
    else if (shape.kind === "enum") {
      addSame(this.#enums, { name: shape.name, values: valuesOf(shape.type) });
    } else if (shape.kind === "struct") {
      const fields = shape.type.members.map((member): FieldModel => {
        const where = `struct ${shape.name}: ${member.name || "a member without a name"}`;
        if (member.bitSize !== 0 || member.bitOffset % 8 !== 0) {
          throw new ModelError(
            `${where}: a bit-field`,
            "give it a whole __u8, __u16 or __u32, or set bits of one by masks",
          );
        }
        if (member.name === "") throw new ModelError(where, "name it: it becomes a property");
        const inner: Shape = isPadding(member.name)
          ? { kind: "padding" }
          : shapeOf(btf, member.type, where, this.#addresses);
        this.#addShape(btf, inner);
        const offset = member.bitOffset / 8;
        return {
          name: member.name,
          offset,
          size: btf.sizeOf(member.type),
          type: btf.describe(member.type),
          shape: inner,
        };
      });
      addSame(this.#structs, { name: shape.name, size: shape.size, fields: this.#withCounts(shape.name, fields) });
      if (this.#explicitPadding) this.#refuseHoles(shape, "--explicit-padding");
    }
  }

  #withCounts(struct: string, fields: readonly FieldModel[]): readonly FieldModel[] {
    return this.#counted
      .filter((each) => each.struct === struct)
      .reduce((some, { array, count }) => withCount(struct, some, array, count), fields);
  }

  /** The compiler's own padding has no name and holds whatever the stack did: two keys may differ by it alone. */
  #refuseHoles(shape: Shape, because: string): void {
    if (shape.kind === "array") return this.#refuseHoles(shape.element, because);
    const struct = shape.kind === "struct" ? this.#structs.get(shape.name) : undefined;
    if (struct === undefined) return;
    const hint = `spell it out, as in __u8 pad[4], and have programs zero it (${because})`;
    let end = 0;
    for (const field of struct.fields) {
      if (field.offset !== end) {
        throw new ModelError(`struct ${struct.name}: unnamed padding before ${field.name}`, hint);
      }
      this.#refuseHoles(field.shape, because);
      end = field.offset + field.size;
    }
    if (end !== struct.size) throw new ModelError(`struct ${struct.name}: unnamed padding at its end`, hint);
  }

  model(): LayoutModel {
    const unknown = this.#counted.find(({ struct }) => !this.#structs.has(struct));
    if (unknown !== undefined) throw new ModelError(`--counted: no struct ${unknown.struct} in the layouts`);
    return {
      enums: [...this.#enums.values()].toSorted(byName),
      structs: [...this.#structs.values()],
      maps: [...this.#maps.values()].toSorted(byName),
      variables: [...this.#variables.values()].toSorted(byName),
      skipped: [...this.#skipped].toSorted(),
    };
  }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** The fields of a struct, in which an array and its count know of each other. */
function withCount(struct: string, fields: readonly FieldModel[], array: string, count: string): FieldModel[] {
  const refuse = (reason: string): never => {
    throw new ModelError(
      `struct ${struct}: ${reason}`,
      `--counted ${struct}.${array}=${count} names an array and its count`,
    );
  };
  const counter = fields.find(({ name }) => name === count) ?? refuse(`no field ${count}`);
  const { kind } = counter.shape;
  if (kind !== "u8" && kind !== "u16" && kind !== "u32") return refuse(`${count} is not a __u8, __u16 or __u32`);
  const counted = fields.find(({ name }) => name === array) ?? refuse(`no field ${array}`);
  const { shape } = counted;
  if (shape.kind !== "array") return refuse(`${array} is not an array`);
  return fields.map((field): FieldModel => {
    if (field === counter) return { ...field, counts: array };
    return field === counted ? { ...field, shape: { ...shape, count: { kind, offset: counter.offset } } } : field;
  });
}

function addSame<T extends { readonly name: string }>(known: Map<string, T>, model: T): void {
  const before = known.get(model.name);
  if (before === undefined) known.set(model.name, model);
  else if (comparable(before) !== comparable(model)) {
    throw new ModelError(`${model.name} is not the same in all objects`);
  }
}

/** A shape's BTF type has numbers of the object it is in: they say nothing. */
function comparable(model: unknown): string {
  return JSON.stringify(model, (key, value: unknown) =>
    key === "type" && typeof value === "object" ? undefined : value,
  );
}
