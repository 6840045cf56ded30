/** How the keys and values of a pinned map differ from this build's. */
import {
  Btf,
  isSameShape,
  mapLayouts,
  type Shape,
  shapeOfLayout,
  shapeOfType,
  type Translation,
  translation,
} from "@dp/bpf";
import type { Codec } from "../../libbpf/codec.ts";
import { mapTypeName } from "../../libbpf/map-type.ts";
import { mapTypes } from "../../libbpf/map-types.ts";
import type { RawMap } from "../../libbpf/raw-map.ts";
import { LayoutError } from "./layout-error.ts";

export type MapName = keyof typeof mapLayouts;

export interface Shapes {
  key: Shape;
  value: Shape;
}

/** From the keys and values of one map to those of another. */
export interface Change {
  key: Translation;
  value: Translation;
}

const parsed = new Map<number, Btf>();

/** The shapes of a pinned map, by the BTF that the kernel keeps of it. A map without BTF counts as this build's. */
export function shapesOf(map: RawMap, name: MapName): Shapes {
  const types = mapTypes(map.fd);
  const known = knownShapes(name);
  if (types === undefined || types.key === 0) return known;
  let btf = parsed.get(types.btfId);
  if (btf === undefined) parsed.set(types.btfId, (btf = Btf.parse(types.btf)));
  return { key: shapeOfType(btf, types.key), value: shapeOfType(btf, types.value) };
}

/** The shapes of this build's map. */
export function knownShapes(name: MapName): Shapes {
  const { keyType, key, valueType, value } = mapLayouts[name];
  return { key: shapeOfLayout(keyType, key.size), value: shapeOfLayout(valueType, value.size) };
}

export function isSame(one: Shapes, other: Shapes): boolean {
  return isSameShape(one.key, other.key) && isSameShape(one.value, other.value);
}

export const UNLOAD_FIRST =
  "what is in it cannot be carried over: unload with the build that loaded it (dp unload), then load this one";

/**
 * How keys and values of a pinned map become this build's.
 *
 * @param mayDrop whether fields that this build does not know may be left out, because an older build had them
 *
 * Throws `LayoutError` when it cannot.
 */
export function changeFrom(map: RawMap, name: MapName, path: string, mayDrop: boolean): Change {
  const fail = (field: string, expected: string, actual: string): never => {
    throw new LayoutError(
      `open the pinned map ${path}`,
      { struct: `map ${name}`, field, expected, actual },
      UNLOAD_FIRST,
    );
  };
  const { type } = mapLayouts[name];
  const { info } = map;
  if (info.type !== type) fail("(type)", mapTypeName(type), mapTypeName(info.type));
  const [stored, known] = [shapesOf(map, name), knownShapes(name)];
  if (stored.key.size !== info.keySize) fail("(key)", `${known.key.size} bytes`, `${info.keySize} bytes`);
  if (stored.value.size !== info.valueSize) fail("(value)", `${known.value.size} bytes`, `${info.valueSize} bytes`);
  const change = { key: translation(stored.key, known.key), value: translation(stored.value, known.value) };
  for (const part of ["key", "value"] as const) {
    const { refused, dropped, from } = change[part];
    const [first] = refused;
    if (first !== undefined) fail(first.path || `(${part})`, first.to, first.from);
    // Keys that differ in a field that is gone would become one key; and a bare number is no struct.
    const lost = dropped.find((leaf) => leaf === "" || part === "key" || !mayDrop);
    if (lost === undefined) continue;
    const { type: actual = "" } = from.leaves.find(({ path: leaf }) => leaf === lost) ?? {};
    fail(lost || `(${part})`, lost === "" ? mapLayouts[name][`${part}Type`] : "absent", actual);
  }
  return change;
}

/** The way back, for what this build has written: fields that the pinned map does not have are left out. */
export function changeBack(map: RawMap, name: MapName): Change {
  const [stored, known] = [shapesOf(map, name), knownShapes(name)];
  return {
    key: translation(known.key, stored.key, { cut: true }),
    value: translation(known.value, stored.value, { cut: true }),
  };
}

/** Reads and writes bytes of another layout as values of this build's. */
export function translated<T>(codec: Codec<T>, there: Translation, back: Translation): Codec<T> {
  return {
    size: there.from.size,
    read: (bytes) => codec.read(there.translate(bytes)),
    write: (value) => back.translate(codec.write(value)),
  };
}
