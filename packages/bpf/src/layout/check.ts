import { Btf } from "../btf.ts";
import { describePart, type InnerMapDefinition, mapDefinitions, type MapPart } from "../map-definition.ts";
import type { BareMapLayout, FieldLayout, MapLayout, StructLayout } from "./layout.ts";

type StructShape = Omit<StructLayout<never>, "read" | "write">;
type InnerMapShape = Omit<BareMapLayout, "name"> & Partial<Pick<MapLayout<never, never>, "keyType" | "valueType">>;
type MapShape = InnerMapShape & { readonly name: string; readonly inner?: InnerMapShape };

/** A module written by bpf2ts, as far as this goes. */
export interface Layouts {
  readonly structLayouts: readonly StructShape[];
  readonly mapLayouts: Readonly<Record<string, MapShape>>;
}

/** One difference between a generated layout and what an object says of the same struct or map. */
export interface LayoutMismatch {
  /** `dp_config`, or `map dp_configs`. */
  readonly struct: string;
  /** The field, or what else of it: `(size)`, `(key)`. */
  readonly field: string;
  /** What the layouts were generated for. */
  readonly expected: string;
  /** What the object has. */
  readonly actual: string;
}

const ABSENT = "absent";

/**
 * Compares layouts with the BTF of an object that is about to be loaded: is it of the build they were generated from?
 * `import * as layouts from "./count.gen.ts"` is what to give it. Structs and maps the object does not have are not its
 * business.
 *
 * @param file an object file (ELF), not bare BTF
 * @returns every difference; empty when all is well. Throws `ElfError` or `BtfError` for a damaged object.
 */
export function checkLayouts(file: Uint8Array, { structLayouts, mapLayouts }: Layouts): LayoutMismatch[] {
  const btf = Btf.fromObject(file);
  return [...checkStructs(btf, structLayouts), ...checkMaps(btf, Object.values(mapLayouts))];
}

function checkStructs(btf: Btf, layouts: readonly StructShape[]): LayoutMismatch[] {
  return layouts.flatMap((layout) => {
    const type = btf.findStruct(layout.name);
    if (type === undefined) return [];
    const mismatches: LayoutMismatch[] = [];
    const differ = (field: string, expected: string, actual: string): void => {
      if (expected !== actual) mismatches.push({ struct: layout.name, field, expected, actual });
    };
    differ("(size)", `${layout.size} bytes`, `${type.size} bytes`);
    const actual = new Map<string, string>();
    for (const member of type.members) {
      const field = { offset: member.bitOffset / 8, size: btf.sizeOf(member.type), type: btf.describe(member.type) };
      actual.set(member.name, place(field) + (member.bitSize === 0 ? "" : `, ${member.bitSize} bits`));
    }
    for (const field of layout.fields) {
      differ(field.name, place(field), actual.get(field.name) ?? ABSENT);
      actual.delete(field.name);
    }
    for (const [name, found] of actual) differ(name, ABSENT, found);
    return mismatches;
  });
}

/** Sizes are not compared: a loader may choose them. */
function checkMaps(btf: Btf, layouts: readonly MapShape[]): LayoutMismatch[] {
  const definitions = new Map(mapDefinitions(btf).map((definition) => [definition.name, definition]));
  return layouts.flatMap((layout) => {
    const definition = definitions.get(layout.name);
    if (definition === undefined) return [];
    const { name } = layout;
    const mismatches = checkMap(btf, `map ${name}`, layout, definition);
    if (layout.inner === undefined && definition.inner === undefined) return mismatches;
    return [...mismatches, ...checkMap(btf, `map ${name}.inner`, layout.inner, definition.inner)];
  });
}

function checkMap(
  btf: Btf,
  struct: string,
  layout: InnerMapShape | undefined,
  definition: InnerMapDefinition | undefined,
): LayoutMismatch[] {
  const compared: [field: string, expected: string, actual: string][] = [
    ["(type)", `${layout?.type ?? ABSENT}`, `${definition?.type ?? ABSENT}`],
    ["(key)", layout?.keyType ?? ABSENT, describe(btf, definition?.key)],
    ["(value)", layout?.valueType ?? ABSENT, describe(btf, definition?.value)],
  ];
  return compared
    .filter(([, expected, actual]) => expected !== actual)
    .map(([field, expected, actual]) => ({ struct, field, expected, actual }));
}

function describe(btf: Btf, part: MapPart | undefined): string {
  return part === undefined ? ABSENT : describePart(btf, part);
}

function place(field: Omit<FieldLayout, "name">): string {
  return `${field.type} at byte ${field.offset}, ${field.size} bytes`;
}
