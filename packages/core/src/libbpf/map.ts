import { DatapathError, Errno, Fd, sleepSync } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { libbpf } from "../ffi/libbpf.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import type { Codec } from "./codec.ts";
import { callError, check } from "./errors.ts";
import { MAP_INFO, readInfo, textField } from "./info.ts";
import { BATCH_OPTS, concatenate, isUnsupportedBatch, type RawEntry, walkEntries } from "./map-batch.ts";
import { isArray, isPerCpu, MapType, mapTypeName } from "./map-type.ts";
import { perCpu } from "./per-cpu.ts";
import { pin, requirePin } from "./pin.ts";
import { Resource } from "./resource.ts";
import type { EntryValue, TypedMap } from "./typed.ts";

/** The kernel's description of a map. */
export interface MapInfo {
  /** The kernel's number of this map, unique while it exists. */
  id: number;
  /** enum bpf_map_type: 1 is BPF_MAP_TYPE_HASH. */
  type: number;
  /** Cut at 15 characters by the kernel. */
  name: string;
  /** Bytes. */
  keySize: number;
  /** Bytes; of one CPU's value for per-CPU maps. */
  valueSize: number;
  maxEntries: number;
  /** BPF_F_* flags it was created with. */
  flags: number;
}

/** `any`: make or change. `create`: only make. `replace`: only change. */
export type SetMode = "any" | "create" | "replace";

const SET_FLAGS: Record<SetMode, number> = { any: 0, create: 1, replace: 2 };

/** The map holds as many entries as it has room for. */
export class MapFullError extends DatapathError {
  override readonly name = "MapFullError";
  readonly map: string;
  readonly maxEntries: number;

  constructor(map: string, maxEntries: number, hint?: string) {
    super("FAILED", `add to map ${map}`, `it is full: it has room for ${maxEntries} entries`, {
      hint: hint ?? `give ${map} a larger max_entries before its object is loaded`,
    });
    this.map = map;
    this.maxEntries = maxEntries;
  }
}

/** What errors say of a map. */
export interface MapOptions {
  /** Its full name, for errors: the kernel keeps 15 characters of it. */
  name?: string;
  /** What {@link MapFullError} says to do. */
  growHint?: string;
  /** enum bpf_map_type: refuses one of another type. */
  type?: number;
}

/** A map to make. */
export interface CreateMapOptions {
  /** The kernel keeps 15 characters of it. */
  name: string;
  type: keyof typeof MapType;
  maxEntries: number;
  /** BPF_F_*. */
  flags?: number;
}

/** A map to make as a layout has it. */
export interface CreateTypedMapOptions<K, V, Type extends number = number> extends TypedMap<K, V, Type> {
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags?: number;
}

/** struct bpf_map_create_opts (bpf.h), its head. */
export const MAP_CREATE_OPTS = struct("bpf_map_create_opts", {
  sz: "u64",
  btf_fd: "u32",
  btf_key_type_id: "u32",
  btf_value_type_id: "u32",
  btf_vmlinux_value_type_id: "u32",
  inner_map_fd: "u32",
  map_flags: "u32",
});

/** A layout, or two codecs; and options. */
export type MapArguments =
  | readonly [layout: TypedMap<unknown, unknown>, options?: MapOptions | undefined]
  | readonly [key: Codec<unknown>, value: Codec<unknown>, options?: MapOptions | undefined];

/** The codecs and options, from either form of the arguments. */
export function mapArguments(args: MapArguments): { key: Codec<unknown>; value: Codec<unknown>; options: MapOptions } {
  const [first, second, third] = args as [unknown, unknown, unknown];
  if (!("key" in (first as object))) {
    return { key: first as Codec<unknown>, value: second as Codec<unknown>, options: (third as MapOptions) ?? {} };
  }
  const { name, type, key, value } = first as TypedMap<unknown, unknown>;
  const options = { name, type, ...(second as MapOptions | undefined) };
  return { key, value: isPerCpu(type) ? perCpu(value) : value, options };
}

/**
 * A BPF map with typed keys and values.
 *
 * Values of a per-CPU map are arrays, one value for each possible CPU: give it a codec made with {@link perCpu}.
 * Throws `SyscallError` for what the kernel refuses, `RangeError` for a key or value that does not fit; a map that was
 * closed throws when it is used.
 */
export class BpfMap<K, V> extends Resource {
  readonly name: string;
  readonly info: MapInfo;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #growHint: string | undefined;
  readonly #type: number | undefined;

  /** Takes ownership of `fd` unless borrowed. Internal: use {@link BpfObject.map}, fromPin or fromId. */
  constructor(fd: Fd, key: Codec<K>, value: Codec<V>, options: MapOptions & { borrowed?: boolean } = {}) {
    super(fd, options.borrowed ?? false);
    this.info = mapInfo(fd.number);
    this.name = options.name ?? this.info.name;
    this.#key = key;
    this.#value = value;
    this.#growHint = options.growHint;
    this.#type = options.type;
    this.#checkSizes(key, value);
  }

  #checkSizes(key: Codec<K>, value: Codec<V> & { each?: Codec<unknown> }): void {
    const op = `open map ${this.name}`;
    const { type, keySize, valueSize } = this.info;
    if (this.#type !== undefined && this.#type !== type) {
      throw new DatapathError("FAILED", op, `it is a ${mapTypeName(type)} map, not ${mapTypeName(this.#type)}`);
    }
    const perCpu = isPerCpu(type);
    if (perCpu !== (value.each !== undefined)) {
      const must = perCpu ? "must" : "must not";
      const reason = `it is a ${mapTypeName(type)} map: its value codec ${must} be made with perCpu()`;
      throw new DatapathError("FAILED", op, reason);
    }
    const given = (value.each ?? value).size;
    if (key.size !== keySize) {
      throw new DatapathError("FAILED", op, `its keys have ${keySize} bytes, the codec's ${key.size}`);
    }
    if (given !== valueSize) {
      throw new DatapathError("FAILED", op, `its values have ${valueSize} bytes, the codec's ${given}`);
    }
  }

  /**
   * Makes a map that belongs to no object. It ends with its last descriptor or pin (BPF_MAP_CREATE). The value codec
   * of a per-CPU type is made with {@link perCpu}. Throws `SyscallError`: EINVAL for what the type does not allow.
   */
  static create<K, V>(options: CreateMapOptions, key: Codec<K>, value: Codec<V>): BpfMap<K, V> {
    const valueSize = ((value as Codec<V> & { each?: Codec<unknown> }).each ?? value).size;
    const fd = createMapFd({ ...options, type: MapType[options.type] }, key.size, valueSize);
    return BpfMap.fromFd(fd, key, value, { name: options.name });
  }

  /**
   * Opens a pinned map, with its codecs or by one of a generated module's `mapLayouts`. Throws `SyscallError` ENOENT
   * when nothing is pinned there, `DatapathError` when it is another map than that.
   */
  static fromPin<K, V, const T extends number>(
    path: string,
    layout: TypedMap<K, V, T>,
    options?: MapOptions,
  ): BpfMap<K, EntryValue<T, V>>;
  static fromPin<K, V>(path: string, key: Codec<K>, value: Codec<V>, options?: MapOptions): BpfMap<K, V>;
  static fromPin(path: string, ...rest: MapArguments): BpfMap<unknown, unknown> {
    const { key, value, options } = mapArguments(rest);
    return BpfMap.fromFd(requirePin(path, "map"), key, value, options);
  }

  /** Opens a map by its id. Throws `SyscallError` ENOENT when there is none. */
  static fromId<K, V>(id: number, key: Codec<K>, value: Codec<V>, options: MapOptions = {}): BpfMap<K, V> {
    const fd = new Fd(check(libbpf.mapFdById(id), { op: `open map ${id}`, call: "bpf_map_get_fd_by_id" }));
    return BpfMap.fromFd(fd, key, value, options);
  }

  /** Takes ownership of an open descriptor, closing it when the sizes do not fit. */
  static fromFd<K, V>(fd: Fd, key: Codec<K>, value: Codec<V>, options: MapOptions = {}): BpfMap<K, V> {
    try {
      return new BpfMap(fd, key, value, options);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  #encode<T>(codec: Codec<T>, value: T): Uint8Array {
    try {
      return codec.write(value);
    } catch (cause) {
      if (!(cause instanceof RangeError || cause instanceof TypeError)) throw cause;
      throw new DatapathError("BAD_USAGE", `encode for map ${this.name}`, cause.message, { cause });
    }
  }

  /** The value of a key, or undefined. (In an array map every key in range has one.) */
  get(key: K): V | undefined {
    const value = new Uint8Array(this.#value.size);
    // SAFETY: the kernel copies from the key and into the value during the call; sizes were checked when opened.
    const result = libbpf.mapLookup(this.fd, this.#encode(this.#key, key), value);
    if (result === -Errno.ENOENT) return undefined;
    if (result < 0) throw this.#failed(result, "read", "bpf_map_lookup_elem");
    return this.#value.read(value);
  }

  /**
   * Sets the value of a key. Throws {@link MapFullError} when there is no room; `SyscallError` EEXIST for "create" of a
   * key that is there, ENOENT for "replace" of one that is not, E2BIG for a key outside an array map.
   */
  set(key: K, value: V, mode: SetMode = "any"): void {
    beforeChange("set an entry of", this.name);
    const [keyBytes, valueBytes] = [this.#encode(this.#key, key), this.#encode(this.#value, value)];
    // SAFETY: as in get.
    const result = withRetries(() => libbpf.mapUpdate(this.fd, keyBytes, valueBytes, SET_FLAGS[mode]));
    if (result < 0) throw this.#setFailed(result, "bpf_map_update_elem");
  }

  #setFailed(result: number, call: string): DatapathError {
    const full = result === -Errno.E2BIG || result === -Errno.ENOSPC;
    if (full && !isArray(this.info.type)) return new MapFullError(this.name, this.info.maxEntries, this.#growHint);
    if (full) return this.#failed(result, "set", call, `the key is not below ${this.info.maxEntries}`);
    if (result === -Errno.EEXIST) return this.#failed(result, "add", call, "the key is in it already");
    if (result === -Errno.ENOENT) return this.#failed(result, "replace", call, "the key is not in it");
    return this.#failed(result, "set", call);
  }

  /** Deletes an entry. False when there was none. */
  delete(key: K): boolean {
    beforeChange("delete an entry of", this.name);
    // SAFETY: as in get.
    const result = libbpf.mapDelete(this.fd, this.#encode(this.#key, key));
    if (result === -Errno.ENOENT) return false;
    if (result < 0) throw this.#failed(result, "delete", "bpf_map_delete_elem");
    return true;
  }

  /** Reads an entry and deletes it in one step (hash maps from Linux 5.14); undefined without one. */
  take(key: K): V | undefined {
    beforeChange("take an entry of", this.name);
    const value = new Uint8Array(this.#value.size);
    // SAFETY: as in get.
    const result = libbpf.mapLookupAndDelete(this.fd, this.#encode(this.#key, key), value);
    if (result === -Errno.ENOENT) return undefined;
    if (result < 0) throw this.#failed(result, "take", "bpf_map_lookup_and_delete_elem");
    return this.#value.read(value);
  }

  /**
   * Sets many entries in one call where the kernel can (5.6+), else one by one. Not a transaction: on an error the
   * first of them may have been set.
   */
  setMany(entries: Iterable<readonly [K, V]>, mode: SetMode = "any"): void {
    const list = [...entries];
    if (list.length === 0) return;
    beforeChange("set entries of", this.name);
    const keys = concatenate(list.map(([key]) => this.#encode(this.#key, key)));
    const values = concatenate(list.map(([, value]) => this.#encode(this.#value, value)));
    using opts = new NativeStruct(BATCH_OPTS, { elem_flags: BigInt(SET_FLAGS[mode]) });
    let done = 0;
    const result = withRetries(
      () => {
        const count = new Uint32Array([list.length - done]);
        const [restOfKeys, restOfValues] = [
          keys.subarray(done * this.#key.size),
          values.subarray(done * this.#value.size),
        ];
        // SAFETY: the kernel reads `count` keys and values, which is what the arrays hold, during the call.
        const code = libbpf.mapUpdateBatch(this.fd, restOfKeys, restOfValues, count, opts.bytes);
        // The count says how many entries were set before it stopped.
        if (code === -Errno.ENOMEM) done += count[0] as number;
        return code;
      },
      () => done,
    );
    if (isUnsupportedBatch(result)) for (const [key, value] of list) this.set(key, value, mode);
    else if (result < 0) throw this.#setFailed(result, "bpf_map_update_batch");
  }

  /** Deletes many entries, in one call where the kernel can, and returns how many: missing keys are skipped. */
  deleteMany(keys: Iterable<K>): number {
    const list = [...keys];
    let deleted = 0;
    for (let next = 0; next < list.length;) {
      const rest = list.slice(next);
      const count = new Uint32Array([rest.length]);
      beforeChange("delete entries of", this.name);
      const bytes = concatenate(rest.map((key) => this.#encode(this.#key, key)));
      // SAFETY: as in setMany.
      const result = libbpf.mapDeleteBatch(this.fd, bytes, count, null);
      if (isUnsupportedBatch(result)) return deleted + rest.filter((key) => this.delete(key)).length;
      if (result < 0 && result !== -Errno.ENOENT) throw this.#failed(result, "delete", "bpf_map_delete_batch");
      const done = result < 0 ? (count[0] as number) : rest.length;
      deleted += done;
      // The kernel stops at a missing key: continue behind it.
      next += done + 1;
    }
    return deleted;
  }

  /**
   * All entries, read in batches where the kernel can, else key by key.
   *
   * The walk ends and yields no key twice, also while other processes change the map. Entries that are added or deleted
   * meanwhile may be missing; all others are yielded.
   */
  *entries(): Generator<[K, V], void, undefined> {
    for (const [key, value] of this.rawEntries()) yield [this.#key.read(key), this.#value.read(value)];
  }

  /**
   * All entries as bytes, for callers that decode a part of each; see {@link entries}. The bytes are good until the
   * next entry is asked for: their memory is used again. A per-CPU map's value has every CPU's, each rounded up to 8
   * bytes.
   */
  rawEntries(): Generator<RawEntry, void, undefined> {
    const { type, keySize, maxEntries } = this.info;
    const valueSize = this.#value.size;
    return walkEntries({ fd: () => this.fd, name: this.name, type, keySize, valueSize, maxEntries });
  }

  /** All keys; see {@link entries}. */
  *keys(): Generator<K, void, undefined> {
    for (const [key] of this.entries()) yield key;
  }

  [Symbol.iterator](): Generator<[K, V], void, undefined> {
    return this.entries();
  }

  /** Deletes every entry. The number deleted. */
  clear(): number {
    return this.deleteMany(this.keys());
  }

  /** Pins it at `path` on a bpffs. Throws `SyscallError`: EEXIST when the path is taken. */
  pin(path: string): void {
    pin(this.fd, path);
  }

  #failed(result: number, verb: string, call: string, text?: string): DatapathError {
    const op = `${verb} an entry of map ${this.name}`;
    return callError(result, { op, call, ...(text === undefined ? {} : { text }) });
  }
}

/**
 * Makes a map as a layout has it (one of a generated module's `mapLayouts`), which ends with the last descriptor or pin
 * of it. Throws `SyscallError`: EINVAL for what the type does not allow.
 */
export function createMap<K, V, const T extends number>(
  layout: CreateTypedMapOptions<K, V, T>,
): BpfMap<K, EntryValue<T, V>> {
  const { key, value, options } = mapArguments([layout]);
  const fd = createMapFd(layout, key.size, layout.value.size);
  return BpfMap.fromFd(fd, key, value, options) as BpfMap<K, EntryValue<T, V>>;
}

function createMapFd(
  { name, type, maxEntries, flags = 0 }: { name: string; type: number; maxEntries: number; flags?: number },
  keySize: number,
  valueSize: number,
): Fd {
  using opts = new NativeStruct(MAP_CREATE_OPTS, { map_flags: flags });
  beforeChange("make map", name);
  // The kernel allows fewer characters in a name than C and files do.
  const plain = name.replaceAll(/[^\w.]/g, "_").slice(0, 15);
  // SAFETY: libbpf and the kernel read name and options during the call only.
  const created = libbpf.mapCreate(type, plain, keySize, valueSize, maxEntries, opts.bytes);
  return new Fd(check(created, { op: `make map ${name}`, call: "bpf_map_create" }));
}

/** A map whose every entry has one value for each possible CPU. */
export type PerCpuMap<K, V> = BpfMap<K, V[]>;

/** How often an update without memory is tried again, 1 ms apart. */
const MEMORY_TRIES = 100;

/**
 * A map without preallocation takes the memory of its entries from a small cache, which the kernel refills later: many
 * entries at once find it empty.
 */
function withRetries(update: () => number, progress: () => number = () => 0): number {
  let before = progress();
  let result = update();
  for (let attempt = 1; result === -Errno.ENOMEM && attempt < MEMORY_TRIES; attempt++) {
    if (progress() > before) attempt = 0;
    else sleepSync(1);
    before = progress();
    result = update();
  }
  return result;
}

/** What the kernel knows of the map behind a descriptor (BPF_OBJ_GET_INFO_BY_FD). */
export function mapInfo(fd: number): MapInfo {
  using info = readInfo(fd, new NativeStruct(MAP_INFO), "read a map's info");
  return {
    id: info.get("id"),
    type: info.get("type"),
    name: textField(info.get("name")),
    keySize: info.get("key_size"),
    valueSize: info.get("value_size"),
    maxEntries: info.get("max_entries"),
    flags: info.get("map_flags"),
  };
}
