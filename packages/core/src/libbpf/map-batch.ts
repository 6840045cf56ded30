/** Walking a map's entries as bytes, in batches where the kernel can. */
import { DatapathError, Errno } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { struct } from "../ffi/native-struct.ts";
import { callError } from "./errors.ts";
import { isMapOfMaps, MapType } from "./map-type.ts";

export const BATCH_OPTS = struct("bpf_map_batch_opts", { sz: "u64", elem_flags: "u64", flags: "u64" });

/** The answer of a kernel, or a map type, without batch operations. */
export function isUnsupportedBatch(result: number): boolean {
  return result === -Errno.ENOTSUPP || result === -Errno.EOPNOTSUPP || result === -Errno.EINVAL;
}

export function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.byteLength, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return all;
}

export interface MapShape {
  /** Called before each system call: the map may be closed while its walk is suspended. */
  fd: () => number;
  name: string;
  /** enum bpf_map_type. */
  type: number;
  keySize: number;
  /** Bytes of a value as system calls pass it: for per-CPU maps, of all CPUs. */
  valueSize: number;
  maxEntries: number;
}

/** An entry as bytes. */
export type RawEntry = readonly [key: Uint8Array, value: Uint8Array];

/**
 * Yields every entry once, and ends, also while other processes change the map. The bytes are valid until the next
 * entry is asked for.
 */
export function* walkEntries(map: MapShape): Generator<RawEntry, void, undefined> {
  // Batches of maps of maps end at the first index without a map, with EINTR (before Linux 6.14).
  if (!isMapOfMaps(map.type) && (yield* walkInBatches(map))) return;
  if (INDEXED.has(map.type)) yield* walkByIndex(map);
  else yield* walkByKey(map);
}

/** Entries asked for at once, to begin with. A hash map's bucket has to fit, else the kernel returns ENOSPC. */
const BATCH = 256;

/**
 * BPF_MAP_LOOKUP_BATCH. A hash map is read bucket after bucket, each under its lock: deletions cannot set the walk
 * back, so it ends and repeats nothing. Returns false when the kernel cannot, before anything was yielded.
 */
function* walkInBatches(map: MapShape): Generator<RawEntry, boolean, undefined> {
  let capacity = Math.min(BATCH, map.maxEntries);
  // The position is a bucket's number for hash maps and a key for others: 4 bytes at least.
  let position: Uint8Array | null = null;
  let keys = new Uint8Array(0);
  let values = keys;
  for (;;) {
    const next = new Uint8Array(Math.max(4, map.keySize));
    if (keys.byteLength !== capacity * map.keySize) {
      keys = new Uint8Array(capacity * map.keySize);
      values = new Uint8Array(capacity * map.valueSize);
    }
    const count = new Uint32Array([capacity]);
    // SAFETY: the arrays have room for `count` keys and values; the kernel writes into them during the call only.
    const result = libbpf.mapLookupBatch(map.fd(), position, next, keys, values, count, null);
    if (position === null && isUnsupportedBatch(result)) return false;
    if (result === -Errno.ENOSPC && capacity < map.maxEntries) {
      // One bucket holds more than there was room for: nothing was read, ask again with more.
      capacity = Math.min(capacity * 4, map.maxEntries);
      continue;
    }
    if (result < 0 && result !== -Errno.ENOENT) {
      throw callError(result, { op: `list map ${map.name}`, call: "bpf_map_lookup_batch" });
    }
    for (let index = 0; index < (count[0] as number); index++) {
      const key = keys.subarray(index * map.keySize, (index + 1) * map.keySize);
      yield [key, values.subarray(index * map.valueSize, (index + 1) * map.valueSize)];
    }
    // ENOENT: this was the last batch.
    if (result < 0) return true;
    position = next;
  }
}

/** Types whose keys are the indexes below max_entries, and that have no batches (everywhere). */
const INDEXED = new Set<number>([MapType.arrayOfMaps, MapType.devmap]);

/** The indexes need not be asked for: half of the system calls of {@link walkByKey}. */
function* walkByIndex(map: MapShape): Generator<RawEntry, void, undefined> {
  const key = new Uint32Array(1);
  const bytes = new Uint8Array(key.buffer);
  const value = new Uint8Array(map.valueSize);
  for (let index = 0; index < map.maxEntries; index++) {
    key[0] = index;
    // SAFETY: the kernel reads the key and writes the value during the call only.
    const found = libbpf.mapLookup(map.fd(), bytes, value);
    if (found === -Errno.ENOENT) continue;
    if (found < 0) throw callError(found, { op: `list map ${map.name}`, call: "bpf_map_lookup_elem" });
    yield [bytes, value];
  }
}

/**
 * BPF_MAP_GET_NEXT_KEY. For the key after a deleted one the kernel returns the first key: known keys are skipped, and
 * the steps are bounded, so that constant change cannot keep the walk from ending.
 */
function* walkByKey(map: MapShape): Generator<RawEntry, void, undefined> {
  const op = `list map ${map.name}`;
  const seen = new Set<string>();
  const limit = 1000 + 8 * map.maxEntries;
  let key: Uint8Array | null = null;
  for (let step = 0; step < limit; step++) {
    const next = new Uint8Array(map.keySize);
    // SAFETY: the kernel reads one key and writes one during the call only.
    const result = libbpf.mapNextKey(map.fd(), key, next);
    if (result === -Errno.ENOENT) return;
    if (result < 0) throw callError(result, { op, call: "bpf_map_get_next_key" });
    key = next;
    const name = next.join();
    if (seen.has(name)) continue;
    seen.add(name);
    const value = new Uint8Array(map.valueSize);
    // SAFETY: as above, for one key and one value.
    const found = libbpf.mapLookup(map.fd(), next, value);
    if (found === -Errno.ENOENT) continue;
    if (found < 0) throw callError(found, { op, call: "bpf_map_lookup_elem" });
    yield [next, value];
  }
  throw new DatapathError("FAILED", op, "it changes faster than it can be read");
}
