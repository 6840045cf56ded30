/** Turns a fixed number of bytes, as the kernel keeps them in a map, into a value and back. */
export interface Codec<T> {
  /** In bytes. */
  readonly size: number;
  /** Throws `RangeError` unless `bytes` is exactly `size` long. */
  read(bytes: Uint8Array): T;
  /** A new array of `size` bytes. Throws `RangeError` for a value that does not fit; nothing is ever cut. */
  write(value: T): Uint8Array;
}

/** Where a field lies, in the names of the C source. */
export interface FieldLayout {
  readonly name: string;
  /** In bytes, from the start of its struct. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  /** As C writes it: `__be32`, `char[16]`. */
  readonly type: string;
}

/** A C struct: its codec, and the layout the codec was made for. */
export interface StructLayout<T> extends Codec<T> {
  /** The C name, without `struct`. */
  readonly name: string;
  /** All fields in order, padding included. */
  readonly fields: readonly FieldLayout[];
}

/** A map that has neither keys nor values: a ring buffer. */
export interface BareMapLayout {
  readonly name: string;
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** The default: a loader may choose another before it loads. */
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
}

/** A map of values without keys: a queue, a stack, a Bloom filter. */
export interface ValueMapLayout<V> extends BareMapLayout {
  /** As C writes it: `__be32`, `struct dp_config`. */
  readonly valueType: string;
  readonly value: Codec<V>;
}

/** A map. The value is one CPU's where the type is a per-CPU one. */
export interface MapLayout<K, V> extends ValueMapLayout<V> {
  /** As C writes it. */
  readonly keyType: string;
  readonly key: Codec<K>;
}

/** What every inner map of a map of maps is: a map without a name. */
export type InnerMapLayout<K, V> = Omit<MapLayout<K, V>, "name">;

/** A map of maps. As a plain map it takes a map's descriptor and gives its id. */
export interface MapOfMapsLayout<K, InnerK, InnerV> extends MapLayout<K, number> {
  readonly inner: InnerMapLayout<InnerK, InnerV>;
}

/** A program. */
export interface ProgramLayout {
  readonly name: string;
  /** What `SEC()` says, and so its type: `tc`, `cgroup/connect4`. */
  readonly section: string;
}

/** A global variable. */
export interface VariableLayout<T> {
  readonly name: string;
  /** `.rodata` (`const volatile`: fixed when the object is loaded), `.data` or `.bss`. */
  readonly section: string;
  /** As C writes it. */
  readonly type: string;
  readonly codec: Codec<T>;
}
