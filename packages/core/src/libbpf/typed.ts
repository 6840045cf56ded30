/** The parts of bpf2ts's layouts that this library uses. */
import type { Codec } from "./codec.ts";

/** A map: one of a generated module's `mapLayouts`. */
export interface TypedMap<K, V, Type extends number = number> {
  readonly name: string;
  /** enum bpf_map_type. */
  readonly type: Type;
  readonly key: Codec<K>;
  /** Of one CPU's value, for per-CPU maps. */
  readonly value: Codec<V>;
}

/** What every inner map of a map of maps is: `inner` of one of a generated module's `mapLayouts`. */
export interface TypedInnerMap<K, V, Type extends number = number> extends Omit<TypedMap<K, V, Type>, "name"> {
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
}

/** A map of maps: one of a generated module's `mapLayouts`. */
export interface TypedMapOfMaps<K, InnerK, InnerV, InnerType extends number = number> {
  readonly name: string;
  readonly type: 12 | 13;
  readonly key: Codec<K>;
  readonly inner: TypedInnerMap<InnerK, InnerV, InnerType>;
}

/** A ring buffer: one of a generated module's `mapLayouts`. */
export interface TypedRingBuffer {
  readonly name: string;
  readonly type: 27;
}

/** A program: one of a generated module's `programLayouts`. */
export interface TypedProgram {
  readonly name: string;
}

/** The name of a part of an object that is given by its name or its layout. */
export function nameOf(part: string | { readonly name: string }): string {
  return typeof part === "string" ? part : part.name;
}

/** A global variable: one of a generated module's `variableLayouts`. */
export interface TypedVariable<T> {
  readonly name: string;
  readonly codec: Codec<T>;
}

/** What an entry of a map of that type holds: one value, or one for each possible CPU. */
export type EntryValue<Type extends number, V> = number extends Type ? V | V[] : Type extends 5 | 6 | 10 | 21 ? V[] : V;
