import { DatapathError } from "@dp/sys";
import { copyFrom, libbpf, type Pointer } from "../ffi/libbpf.ts";
import { check } from "./errors.ts";
import { mapTypeName } from "./map-type.ts";
import type { BpfMap } from "./map.ts";
import type { ObjectHandle } from "./object-handle.ts";

/** A part of an object that is open: usable until the object is loaded or closed. */
abstract class OpenPart {
  readonly name: string;
  readonly #pointer: Pointer;
  readonly #owner: ObjectHandle;

  protected constructor(name: string, pointer: Pointer, owner: ObjectHandle) {
    this.name = name;
    this.#pointer = pointer;
    this.#owner = owner;
  }

  // SAFETY: the pointer is the object's, good until that is closed or handed on; its owner throws from then on.
  protected get pointer(): Pointer {
    void this.#owner.pointer;
    return this.#pointer;
  }
}

/**
 * A map that does not exist yet: its definition, to be adjusted. Throws `DatapathError` once the object is loaded or
 * closed, `SyscallError` for what libbpf refuses.
 */
export class OpenMap extends OpenPart {
  /** Internal: use {@link OpenObject.map}. */
  constructor(pointer: Pointer, owner: ObjectHandle) {
    super(libbpf.mapName(pointer) ?? "", pointer, owner);
  }

  /** enum bpf_map_type. */
  get type(): number {
    return libbpf.mapType(this.pointer);
  }

  /** Bytes. */
  get keySize(): number {
    return libbpf.mapKeySize(this.pointer);
  }

  /** Bytes. */
  get valueSize(): number {
    return libbpf.mapValueSize(this.pointer);
  }

  /** How many entries it will have room for. */
  get maxEntries(): number {
    return libbpf.mapMaxEntries(this.pointer);
  }

  /** Made by libbpf for global variables (.rodata, .data, .bss), not declared in the source. */
  get internal(): boolean {
    return libbpf.mapIsInternal(this.pointer);
  }

  /** Sets how many entries it will have room for. */
  setMaxEntries(entries: number): void {
    const op = `set the size of map ${this.name}`;
    if (!Number.isInteger(entries) || entries < 1 || entries > 0xffffffff) {
      throw new DatapathError("BAD_USAGE", op, `${entries} is not a number of entries`);
    }
    check(libbpf.mapSetMaxEntries(this.pointer, entries), { op, call: "bpf_map__set_max_entries" });
  }

  /** Has load() use the compatible map that is pinned at `path`, or else make one and pin it there. */
  setPinPath(path: string): void {
    // SAFETY: libbpf copies the path.
    const result = libbpf.mapSetPinPath(this.pointer, path);
    check(result, { op: `set the pin path of map ${this.name}`, call: "bpf_map__set_pin_path", target: path });
  }

  /** Has load() use an existing map in its place. Throws `DatapathError` when type, key or value size differ. */
  reuse<K, V>(map: BpfMap<K, V>): void {
    const op = `reuse map ${map.name} as ${this.name}`;
    const there = [mapTypeName(map.info.type), map.info.keySize, map.info.valueSize];
    const wanted = [mapTypeName(this.type), this.keySize, this.valueSize];
    const difference = ["type", "key size", "value size"].find((_, index) => there[index] !== wanted[index]);
    if (difference !== undefined) {
      const index = ["type", "key size", "value size"].indexOf(difference);
      throw new DatapathError("FAILED", op, `its ${difference} is ${there[index]}, not ${wanted[index]}`);
    }
    // SAFETY: libbpf duplicates the descriptor, so `map` may be closed at any time after.
    check(libbpf.mapReuseFd(this.pointer, map.fd), { op, call: "bpf_map__reuse_fd" });
  }

  /** The bytes an internal map starts with; undefined for others. */
  initialValue(): Uint8Array | undefined {
    const size = new BigUint64Array(1);
    const memory = libbpf.mapInitialValue(this.pointer, new Uint8Array(size.buffer));
    // SAFETY: libbpf owns that memory until the object is closed, and just said how long it is.
    return memory === undefined ? undefined : copyFrom(memory, Number(size[0]));
  }

  /** Sets the bytes an internal map starts with; all of them. */
  setInitialValue(bytes: Uint8Array): void {
    // SAFETY: libbpf copies the bytes.
    const result = libbpf.mapSetInitialValue(this.pointer, bytes, bytes.byteLength);
    check(result, { op: `set the initial value of map ${this.name}`, call: "bpf_map__set_initial_value" });
  }
}

/**
 * A program that is not loaded yet. Throws `DatapathError` once the object is loaded or closed, `SyscallError` for what
 * libbpf refuses.
 */
export class OpenProgram extends OpenPart {
  /** Internal: use {@link OpenObject.program}. */
  constructor(pointer: Pointer, owner: ObjectHandle) {
    super(libbpf.programName(pointer) ?? "", pointer, owner);
  }

  /** The section it is in, which says its type: "tc", "cgroup/getsockopt". */
  get section(): string {
    return libbpf.programSection(this.pointer) ?? "";
  }

  /** Whether load() loads it. */
  get autoload(): boolean {
    return libbpf.programAutoload(this.pointer);
  }

  /** Whether load() is to load it. */
  setAutoload(autoload: boolean): void {
    const result = libbpf.programSetAutoload(this.pointer, autoload);
    check(result, { op: `set the autoload of program ${this.name}`, call: "bpf_program__set_autoload" });
  }

  /**
   * Sets the type of program, for sections that this libbpf does not know.
   *
   * @param type enum bpf_prog_type
   * @param attachType enum bpf_attach_type, for types that are checked for where they will be attached
   */
  setType(type: number, attachType: number): void {
    const op = `set the type of program ${this.name}`;
    check(libbpf.programSetType(this.pointer, type), { op, call: "bpf_program__set_type" });
    const result = libbpf.programSetAttachType(this.pointer, attachType);
    check(result, { op, call: "bpf_program__set_expected_attach_type" });
  }
}
