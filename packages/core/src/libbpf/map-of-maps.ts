/** Maps that hold maps: BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS. */
import { Errno, type Fd, SyscallError } from "@dp/sys";
import { u32 } from "./codec.ts";
import { BpfMap, createMap, type MapInfo, type MapOptions, mapArguments, type SetMode } from "./map.ts";
import { requirePin } from "./pin.ts";
import type { EntryValue, TypedMapOfMaps } from "./typed.ts";

/**
 * A map of maps with typed inner maps. It stores references: an inner map ends when nothing holds it any more, no
 * entry, no pin and no descriptor.
 *
 * The kernel waits for an RCU grace period after each change of an array of maps, about 8 ms, or 0.02 ms while
 * `expediteGracePeriods` of `@dp/sys` holds. Throws `SyscallError` for what the kernel refuses.
 */
export class MapOfMaps<K, InnerK, InnerV> implements Disposable {
  readonly #outer: BpfMap<K, number>;
  readonly #layout: TypedMapOfMaps<K, InnerK, unknown>;

  /** Internal: use {@link BpfObject.mapOfMaps} or fromPin. Takes ownership of `fd` unless borrowed. */
  constructor(fd: Fd, layout: TypedMapOfMaps<K, InnerK, unknown>, options: MapOptions & { borrowed?: boolean } = {}) {
    const { name, type, key } = layout;
    this.#outer = new BpfMap(fd, key, u32, { name, type, ...options });
    this.#layout = layout;
  }

  /** Opens a pinned one. Throws `SyscallError` ENOENT when nothing is pinned there, `DatapathError` for another map. */
  static fromPin<K, InnerK, InnerV, const T extends number>(
    path: string,
    layout: TypedMapOfMaps<K, InnerK, InnerV, T>,
    options: MapOptions = {},
  ): MapOfMaps<K, InnerK, EntryValue<T, InnerV>> {
    const fd = requirePin(path, "map");
    try {
      return new MapOfMaps(fd, layout, options);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** The outer map's name. */
  get name(): string {
    return this.#outer.name;
  }

  /** What the kernel knows of the outer map. */
  get info(): MapInfo {
    return this.#outer.info;
  }

  /** The outer map's descriptor; throws once it is closed. */
  get fd(): number {
    return this.#outer.fd;
  }

  /**
   * Makes an inner map as the layout has it, in no entry yet. The caller closes it: an entry keeps it from then on.
   *
   * @param name the kernel keeps 15 characters of it
   */
  createInner(name: string = this.name): BpfMap<InnerK, InnerV> {
    const { inner } = this.#layout;
    return createMap({ ...inner, name }) as BpfMap<InnerK, InnerV>;
  }

  /**
   * Stores a map. Throws `SyscallError` EINVAL for one that is not as the layout's inner maps, `MapFullError` when
   * there is no room, and as {@link BpfMap.set} otherwise.
   */
  set(key: K, inner: BpfMap<InnerK, InnerV>, mode: SetMode = "any"): void {
    this.#outer.set(key, inner.fd, mode);
  }

  /** The kernel's number of a stored map; undefined without an entry. */
  id(key: K): number | undefined {
    return this.#outer.get(key);
  }

  /** Opens a stored map, which the caller closes; undefined without an entry. */
  get(key: K): BpfMap<InnerK, InnerV> | undefined {
    const id = this.id(key);
    return id === undefined ? undefined : this.#open(id);
  }

  /** Removes an entry. False when there was none. */
  delete(key: K): boolean {
    return this.#outer.delete(key);
  }

  /** The entries, with the ids of the stored maps; see {@link BpfMap.entries}. */
  ids(): Generator<[K, number], void, undefined> {
    return this.#outer.entries();
  }

  /** The entries, with the stored maps opened: each is closed when the next one is asked for, or at the end. */
  *entries(): Generator<[K, BpfMap<InnerK, InnerV>], void, undefined> {
    for (const [key, id] of this.ids()) {
      using inner = this.#open(id);
      if (inner !== undefined) yield [key, inner];
    }
  }

  /** undefined for a map that ended after its id was read. */
  #open(id: number): BpfMap<InnerK, InnerV> | undefined {
    const name = `${this.name}.inner`;
    const { key, value, options } = mapArguments([{ ...this.#layout.inner, name }]);
    try {
      return BpfMap.fromId(id, key, value, options) as BpfMap<InnerK, InnerV>;
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
      throw error;
    }
  }

  /** Pins the outer map, and so what it holds, at `path` on a bpffs. Throws `SyscallError`: EEXIST for a taken path. */
  pin(path: string): void {
    this.#outer.pin(path);
  }

  /** Closes the outer map; borrowed from an object, it stays open. */
  close(): void {
    this.#outer.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
