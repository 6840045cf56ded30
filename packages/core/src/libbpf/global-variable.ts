/** Global variables of an object, found by name in its BTF. */
import { DatapathError } from "@dp/sys";
import { copyFrom, libbpf, type Pointer } from "../ffi/libbpf.ts";
import type { Codec } from "./codec.ts";
import type { OpenMap } from "./open-parts.ts";

const BTF_KIND_DATASEC = 15;
const BTF_TYPE_SIZE = 12;
const SECTION_ENTRY_SIZE = 12;

interface Variable {
  map: OpenMap;
  /** Bytes from the start of the map's one value. */
  offset: number;
  size: number;
}

function find(object: Pointer, maps: readonly OpenMap[], name: string): Variable {
  const btf = libbpf.objectBtf(object);
  for (const map of maps.filter((each) => each.internal)) {
    // libbpf names the map "OBJECT.section", with as much of the object's name as fits.
    const section = map.name.slice(map.name.indexOf("."));
    const variable = btf === undefined ? undefined : findInSection(btf, section, name);
    if (variable !== undefined) return { map, ...variable };
  }
  throw new DatapathError("FAILED", `find variable ${name}`, "the object has no global variable of that name");
}

function findInSection(btf: Pointer, section: string, name: string): { offset: number; size: number } | undefined {
  const id = libbpf.btfFindByNameKind(btf, section, BTF_KIND_DATASEC);
  const type = id < 0 ? undefined : libbpf.btfTypeById(btf, id);
  if (type === undefined) return undefined;
  // SAFETY: the BTF belongs to the open object. A DATASEC is a struct btf_type {name_off, info, size}, followed by as
  // many struct btf_var_secinfo {type, offset, size} as the low 16 bits of `info` say (linux/btf.h).
  const count = wordAt(copyFrom(type, BTF_TYPE_SIZE), 4) & 0xffff;
  const entries = copyFrom(type + BigInt(BTF_TYPE_SIZE), count * SECTION_ENTRY_SIZE);
  for (let at = 0; at < entries.byteLength; at += SECTION_ENTRY_SIZE) {
    const variable = libbpf.btfTypeById(btf, wordAt(entries, at));
    if (variable === undefined) continue;
    if (libbpf.btfNameByOffset(btf, wordAt(copyFrom(variable, BTF_TYPE_SIZE), 0)) !== name) continue;
    return { offset: wordAt(entries, at + 4), size: wordAt(entries, at + 8) };
  }
  return undefined;
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

function located<T>(object: Pointer, maps: readonly OpenMap[], name: string, codec: Codec<T>): Variable {
  const variable = find(object, maps, name);
  if (variable.size === codec.size) return variable;
  const reason = `it has ${variable.size} bytes, the codec's values have ${codec.size}`;
  throw new DatapathError("FAILED", `find variable ${name}`, reason);
}

function sectionBytes(map: OpenMap): Uint8Array {
  return map.initialValue() ?? new Uint8Array(map.valueSize);
}

export function readVariable<T>(object: Pointer, maps: readonly OpenMap[], name: string, codec: Codec<T>): T {
  const { map, offset, size } = located(object, maps, name, codec);
  return codec.read(sectionBytes(map).subarray(offset, offset + size));
}

export function writeVariable<T>(
  object: Pointer,
  maps: readonly OpenMap[],
  name: string,
  codec: Codec<T>,
  value: T,
): void {
  const { map, offset } = located(object, maps, name, codec);
  const bytes = sectionBytes(map);
  bytes.set(codec.write(value), offset);
  map.setInitialValue(bytes);
}
