/** enum bpf_map_type (linux/bpf.h), those that matter here. */
export const MapType = {
  hash: 1,
  array: 2,
  progArray: 3,
  perfEventArray: 4,
  perCpuHash: 5,
  perCpuArray: 6,
  stackTrace: 7,
  cgroupArray: 8,
  lruHash: 9,
  lruPerCpuHash: 10,
  lpmTrie: 11,
  arrayOfMaps: 12,
  hashOfMaps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  cgroupStorage: 19,
  reuseportSockarray: 20,
  perCpuCgroupStorage: 21,
  queue: 22,
  stack: 23,
  skStorage: 24,
  devmapHash: 25,
  structOps: 26,
  ringbuf: 27,
  inodeStorage: 28,
  taskStorage: 29,
  bloomFilter: 30,
  userRingbuf: 31,
} as const;

const NAMES = new Map<number, string>(Object.entries(MapType).map(([name, type]) => [type, name]));

/** `lruHash` for 9; `type 99` for one not known here. Throws nothing. */
export function mapTypeName(type: number): string {
  return NAMES.get(type) ?? `type ${type}`;
}

const PER_CPU = new Set<number>([
  MapType.perCpuHash,
  MapType.perCpuArray,
  MapType.lruPerCpuHash,
  MapType.perCpuCgroupStorage,
]);

/** An entry has one value per possible CPU. */
export function isPerCpu(type: number): boolean {
  return PER_CPU.has(type);
}

const ARRAYS = new Set<number>([
  MapType.array,
  MapType.perCpuArray,
  MapType.progArray,
  MapType.perfEventArray,
  MapType.cgroupArray,
  MapType.arrayOfMaps,
  MapType.devmap,
  MapType.sockmap,
  MapType.cpumap,
  MapType.xskmap,
  MapType.reuseportSockarray,
]);

/** Keys are indexes below max_entries: it cannot be full, only indexed past its end. */
export function isArray(type: number): boolean {
  return ARRAYS.has(type);
}

/** Entries are maps. */
export function isMapOfMaps(type: number): boolean {
  return type === MapType.arrayOfMaps || type === MapType.hashOfMaps;
}
