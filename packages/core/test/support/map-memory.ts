/**
 * The kernel memory that a map takes, computed: also for more CPUs than the machine has. As the kernel's memory
 * accounting has it (map_mem_usage of each type), with allocations rounded up to what the allocators give.
 */
import type { BareMapLayout } from "@dp/bpf";
import { MapType } from "../../src/libbpf/map-type.ts";

/** What is asked of a map's definition. */
export interface MapMemory extends Pick<BareMapLayout, "type" | "maxEntries"> {
  keySize: number;
  valueSize: number;
  /** Of a map of maps: the bytes of one inner map. */
  inner?: number;
}

/** struct htab_elem without key and value, struct bucket, struct bpf_dtab_netdev, struct bpf_array (at most). */
const HASH_ELEMENT = 48;
const BUCKET = 16;
const DEVICE = 128;
const ARRAY = 384;
/** The head of a map of any other type, at most. */
const HEAD = 1024;
const POINTER = 8;
const PAGE = 4096;

/** Sizes that bpf_mem_alloc and kmalloc have. Each of the former's has a pointer in front. */
const SLABS = [16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096];

/**
 * Bytes of a map.
 *
 * @param entries how many it has
 * @param cpus the number of possible CPUs
 */
export function mapMemory(map: MapMemory, entries: number, cpus: number): number {
  const { type, maxEntries, valueSize } = map;
  const [key, value] = [align(map.keySize, 8), align(valueSize, 8)];
  const buckets = powerOfTwo(maxEntries) * BUCKET;
  switch (type) {
    case MapType.hash:
      return HEAD + buckets + entries * slab(HASH_ELEMENT + key + value + POINTER);
    case MapType.perCpuHash:
      return (
        HEAD + buckets + entries * (slab(HASH_ELEMENT + key + POINTER + POINTER) + slab(2 * POINTER) + cpus * value)
      );
    case MapType.lruHash:
      return HEAD + buckets + maxEntries * (HASH_ELEMENT + key + value) + cpus * PAGE;
    case MapType.array:
      return align(ARRAY + maxEntries * value, PAGE);
    case MapType.perCpuArray:
      return HEAD + maxEntries * (POINTER + cpus * value);
    case MapType.arrayOfMaps:
      return HEAD + maxEntries * POINTER + entries * (map.inner ?? 0);
    case MapType.devmap:
      return HEAD + maxEntries * POINTER + entries * DEVICE;
    case MapType.devmapHash:
      return HEAD + powerOfTwo(maxEntries) * POINTER + entries * DEVICE;
    default:
      throw new Error(`no size is known for map type ${type}`);
  }
}

function slab(size: number): number {
  return SLABS.find((each) => each >= size) ?? align(size, PAGE);
}

function align(size: number, to: number): number {
  return Math.ceil(size / to) * to;
}

function powerOfTwo(number: number): number {
  return 2 ** Math.ceil(Math.log2(number));
}
