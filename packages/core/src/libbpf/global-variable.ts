/** Global variables of an object, found by name in its BTF. */
import { DatapathError } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { copyFrom, libbpf, type Pointer } from "../ffi/libbpf.ts";
import { SharedMemory } from "../ffi/libc.ts";
import type { Codec } from "./codec.ts";
import { callError, check } from "./errors.ts";
import type { ObjectHandle } from "./object-handle.ts";
import type { OpenMap } from "./open-parts.ts";
import type { TypedVariable } from "./typed.ts";

const BTF_KIND_DATASEC = 15;
const BTF_TYPE_SIZE = 12;
const SECTION_ENTRY_SIZE = 12;

/** A map that may be one of a section's variables. */
interface Section {
  readonly name: string;
  readonly internal: boolean;
}

interface Variable<M extends Section> {
  map: M;
  /** `.rodata` */
  section: string;
  /** Bytes from the start of the map's one value. */
  offset: number;
  size: number;
}

function find<M extends Section>(object: Pointer, maps: readonly M[], name: string): Variable<M> {
  const btf = libbpf.objectBtf(object);
  for (const map of maps.filter((each) => each.internal)) {
    // libbpf names the map "OBJECT.section", with as much of the object's name as fits.
    const section = map.name.slice(map.name.indexOf("."));
    const variable = btf === undefined ? undefined : findInSection(btf, section, name);
    if (variable !== undefined) return { map, section, ...variable };
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

function located<T, M extends Section>(
  object: Pointer,
  maps: readonly M[],
  name: string,
  codec: Codec<T>,
): Variable<M> {
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

/** A variable's name and codec, from either form of the arguments. */
export function variableArgument(
  variable: string | TypedVariable<unknown>,
  codec: unknown,
): { name: string; codec: Codec<unknown> } {
  return typeof variable === "string" ? { name: variable, codec: codec as Codec<unknown> } : variable;
}

interface LoadedSection extends Section {
  readonly fd: number;
  /** Bytes. */
  readonly size: number;
}

// SAFETY: the pointers are of an object that its handle just said is open, and go no further.
function loadedSections(handle: ObjectHandle): LoadedSection[] {
  return handle
    .maps()
    .filter((pointer) => libbpf.mapIsInternal(pointer))
    .map((pointer) => ({
      name: libbpf.mapName(pointer) ?? "",
      internal: true,
      fd: libbpf.mapFd(pointer),
      size: libbpf.mapValueSize(pointer),
    }));
}

/** The value in the kernel. */
export function readLoaded<T>(handle: ObjectHandle, name: string, codec: Codec<T>): T {
  const { map, offset, size } = located(handle.pointer, loadedSections(handle), name, codec);
  const bytes = new Uint8Array(map.size);
  // SAFETY: the section is an array map with one entry of that size; the kernel writes it during the call only.
  const result = libbpf.mapLookup(map.fd, new Uint8Array(4), bytes);
  check(result, { op: `read variable ${name}`, call: "bpf_map_lookup_elem" });
  return codec.read(bytes.subarray(offset, offset + size));
}

/** Writes into the kernel's memory: an update of the entry would undo what programs write to its neighbours. */
export function writeLoaded<T>(handle: ObjectHandle, name: string, codec: Codec<T>, value: T): void {
  const op = `set variable ${name}`;
  const { map, section, offset, size } = located(handle.pointer, loadedSections(handle), name, codec);
  if (section.startsWith(".rodata")) {
    throw new DatapathError("FAILED", op, "it is a constant, and the object is loaded", {
      hint: "set it on the OpenObject, before load(); or declare it without const",
    });
  }
  const bytes = codec.write(value).slice();
  beforeChange("set variable", name);
  const memory = SharedMemory.map(map.fd, map.size, { writable: true });
  if (typeof memory === "number") throw callError(memory, { op, call: "mmap" });
  using _unmapped = memory;
  if (size === 4 && offset % 4 === 0) {
    Atomics.store(new Int32Array(memory.bytes, offset, 1), 0, new Int32Array(bytes.buffer)[0] as number);
  } else if (size === 8 && offset % 8 === 0) {
    Atomics.store(new BigInt64Array(memory.bytes, offset, 1), 0, new BigInt64Array(bytes.buffer)[0] as bigint);
  } else {
    new Uint8Array(memory.bytes, offset, size).set(bytes);
  }
}
