import { Fd } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { bytes, type Codec } from "./codec.ts";
import { check } from "./errors.ts";
import { isPerCpu } from "./map-type.ts";
import { BpfMap, mapInfo, type MapOptions } from "./map.ts";
import { perCpu } from "./per-cpu.ts";

/** A map with bytes as keys and values. An entry has an array of values: one for each CPU, or one. */
export type RawMap = BpfMap<Uint8Array, Uint8Array[]>;

/** One value, as an array like that of a per-CPU map. */
function single(size: number): Codec<Uint8Array[]> {
  const { read, write } = bytes(size);
  return { size, read: (value) => [read(value)], write: ([value]) => write(value ?? new Uint8Array(0)) };
}

/** The codecs of a map of that type and those sizes. */
export function rawCodecs(type: number, keySize: number, valueSize: number): [Codec<Uint8Array>, Codec<Uint8Array[]>] {
  return [bytes(keySize), isPerCpu(type) ? perCpu(bytes(valueSize)) : single(valueSize)];
}

/** Takes ownership of `fd`, unless borrowed. */
export function openRaw(fd: Fd, options: MapOptions & { borrowed?: boolean } = {}): RawMap {
  try {
    const { type, keySize, valueSize } = mapInfo(fd.number);
    return new BpfMap(fd, ...rawCodecs(type, keySize, valueSize), options);
  } catch (error) {
    if (options.borrowed !== true) fd.close();
    throw error;
  }
}

/** Throws `SyscallError` ENOENT when there is none. */
export function openRawById(id: number): RawMap {
  return openRaw(new Fd(check(libbpf.mapFdById(id), { op: `open map ${id}`, call: "bpf_map_get_fd_by_id" })));
}

/** Makes an empty map with room for one entry. It ends with its last descriptor or pin. */
export function makeMap(name: string, type: number, keySize: number, valueSize: number): Fd {
  const created = libbpf.mapCreate(type, name, keySize, valueSize, 1, null);
  return new Fd(check(created, { op: `make map ${name}`, call: "bpf_map_create" }));
}
