/** Ring buffers: records that programs hand to user space, in order (BPF_MAP_TYPE_RINGBUF, Linux 5.8+). */
import { setTimeout as sleep } from "node:timers/promises";
import { DatapathError, Errno, Fd } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { pageSize, pollReadable, SharedMemory } from "../ffi/libc.ts";
import type { Codec } from "./codec.ts";
import { callError, check } from "./errors.ts";
import { MapType, mapTypeName } from "./map-type.ts";
import { mapInfo, type MapInfo } from "./map.ts";
import { requirePin } from "./pin.ts";
import { Resource } from "./resource.ts";

/** A record's head: 32 bits of length with two flags, 32 bits of the kernel's own. */
const HEAD_SIZE = 8;
const BUSY = 1 << 31;
const DISCARDED = 1 << 30;
const ALIGNMENT = 8;

/** How records are waited for. */
export interface RecordsOptions {
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
  /** How often to look for records when there were none, in milliseconds. Default 10. */
  interval?: number;
}

/**
 * The reading end of a ring buffer. Reading removes a record, so a ring buffer has one reader.
 *
 * The buffer is memory shared with the kernel (mmap): reading makes no system call, and native code calls nothing back.
 * A program that finds it full loses its record, and learns it from bpf_ringbuf_reserve or bpf_ringbuf_output.
 *
 * Throws `SyscallError` when the kernel refuses, and `DatapathError` once it is closed.
 */
export class RingBuffer<T> extends Resource {
  readonly name: string;
  readonly info: MapInfo;
  readonly #record: Codec<T>;
  readonly #consumer: SharedMemory;
  readonly #producer: SharedMemory;
  /** Where the reader is, and where the writers are: bytes since the buffer was made. */
  readonly #positions: { readonly read: BigUint64Array; readonly written: BigUint64Array };
  readonly #data: { readonly words: Int32Array; readonly bytes: Uint8Array };

  /** Takes ownership of `fd` unless borrowed. Internal: use {@link BpfObject.ringBuffer}, fromPin or fromId. */
  constructor(fd: Fd, record: Codec<T>, options: { name?: string; borrowed?: boolean } = {}) {
    super(fd, options.borrowed ?? false);
    this.info = mapInfo(fd.number);
    this.name = options.name ?? this.info.name;
    this.#record = record;
    const { type, maxEntries } = this.info;
    const op = `open ring buffer ${this.name}`;
    if (type !== MapType.ringbuf) throw new DatapathError("FAILED", op, `it is a ${mapTypeName(type)} map`);
    const page = pageSize();
    // The kernel shows the data twice in a row, so that a record that goes over the end is still in one piece.
    this.#consumer = mapped(fd, page, { writable: true }, op);
    try {
      this.#producer = mapped(fd, page + 2 * maxEntries, { offset: page }, op);
    } catch (error) {
      this.#consumer[Symbol.dispose]();
      throw error;
    }
    this.#positions = {
      read: new BigUint64Array(this.#consumer.bytes, 0, 1),
      written: new BigUint64Array(this.#producer.bytes, 0, 1),
    };
    this.#data = {
      words: new Int32Array(this.#producer.bytes, page, (2 * maxEntries) / 4),
      bytes: new Uint8Array(this.#producer.bytes, page, 2 * maxEntries),
    };
  }

  /** Opens a pinned ring buffer. Throws `SyscallError` ENOENT when nothing is pinned there. */
  static fromPin<T>(path: string, record: Codec<T>, options: { name?: string } = {}): RingBuffer<T> {
    return owned(requirePin(path, "map"), record, options);
  }

  /** Opens a ring buffer by its map's id. Throws `SyscallError` ENOENT when there is none. */
  static fromId<T>(id: number, record: Codec<T>, options: { name?: string } = {}): RingBuffer<T> {
    const fd = new Fd(check(libbpf.mapFdById(id), { op: `open map ${id}`, call: "bpf_map_get_fd_by_id" }));
    return owned(fd, record, options);
  }

  /**
   * The records that are there now, oldest first. It ends, also while programs write.
   *
   * Throws `DatapathError` for a record that is shorter than its codec; it counts as read. A longer one is read by its
   * beginning: bpf_ringbuf_output may have rounded it up.
   *
   * @param limit at most so many
   */
  read(limit = Number.POSITIVE_INFINITY): T[] {
    this.#requireOpen();
    const records: T[] = [];
    const end = this.#written;
    while (records.length < limit && Atomics.load(this.#positions.read, 0) < end) {
      const bytes = this.#next(end);
      // A record that is still being written, and those behind it, are for the next call.
      if (bytes === "busy") break;
      if (bytes !== "discarded") records.push(this.#decode(bytes));
    }
    return records;
  }

  // Atomics.load is not for memory that may only be read: an engine may add 0 instead, and be killed for the write.
  get #written(): bigint {
    return this.#positions.written[0] as bigint;
  }

  /**
   * Takes one record out: a copy of its bytes.
   *
   * The kernel writes a record's head before it moves `end` over it, and takes the busy flag off when all of the record
   * is there. Here `end`, head and bytes must be read in that order, also by a processor that reads ahead: it cannot
   * where each address depends on what was read before, if only by adding a zero that is made of it.
   */
  #next(end: bigint): Uint8Array | "busy" | "discarded" {
    const { words, bytes } = this.#data;
    const position = Atomics.load(this.#positions.read, 0);
    const offset = Number(position % BigInt(this.info.maxEntries)) + Number(end >> 64n);
    const head = words[offset / 4] as number;
    if ((head & BUSY) !== 0) return "busy";
    const length = head & ~(BUSY | DISCARDED);
    const start = offset + HEAD_SIZE + (head >>> 31);
    const record = (head & DISCARDED) === 0 ? bytes.slice(start, start + length) : "discarded";
    const step = Math.ceil((HEAD_SIZE + length) / ALIGNMENT) * ALIGNMENT;
    // From here on programs may write there.
    Atomics.store(this.#positions.read, 0, position + BigInt(step));
    return record;
  }

  #decode(bytes: Uint8Array): T {
    const { size } = this.#record;
    if (bytes.byteLength >= size) return this.#record.read(bytes.subarray(0, size));
    const reason = `it has ${bytes.byteLength} bytes, the codec's have ${size}`;
    throw new DatapathError("FAILED", `read a record of ring buffer ${this.name}`, reason);
  }

  /**
   * Waits until there is something to read, for at most so many milliseconds. False if there is not. It blocks the
   * thread and everything on it: for scripts, and workers of their own.
   */
  wait(milliseconds: number): boolean {
    const result = pollReadable(this.fd, milliseconds);
    if (result === -Errno.EINTR) return false;
    return check(result, { op: `wait for ring buffer ${this.name}`, call: "poll" }) > 0;
  }

  /**
   * All records as they come, oldest first: `for await (const event of events.records({ signal }))`. Other work goes on
   * meanwhile.
   */
  async *records({ signal, interval = 10 }: RecordsOptions = {}): AsyncGenerator<T, void, undefined> {
    for (;;) {
      if (signal?.aborted === true) return;
      // One at a time: records that are not asked for stay for the next reader.
      const [record] = this.read(1);
      if (record !== undefined) yield record;
      else await sleep(interval, undefined, signal === undefined ? {} : { signal }).catch(ignoreAbort);
    }
  }

  /** How many bytes wait to be read, and how many there is room for. */
  get fill(): { used: number; size: number } {
    this.#requireOpen();
    const used = this.#written - Atomics.load(this.#positions.read, 0);
    return { used: Number(used), size: this.info.maxEntries };
  }

  #requireOpen(): void {
    // Throws once it is unmapped: a view of unmapped memory must not be read.
    void this.#consumer.bytes;
  }

  /** Ends reading. Unread records stay for the next reader. */
  override close(): void {
    this.#consumer[Symbol.dispose]();
    this.#producer[Symbol.dispose]();
    super.close();
  }
}

function mapped(fd: Fd, length: number, part: { offset?: number; writable?: boolean }, op: string): SharedMemory {
  const memory = SharedMemory.map(fd.number, length, part);
  if (typeof memory === "number") throw callError(memory, { op, call: "mmap" });
  return memory;
}

function owned<T>(fd: Fd, record: Codec<T>, options: { name?: string }): RingBuffer<T> {
  try {
    return new RingBuffer(fd, record, options);
  } catch (error) {
    fd.close();
    throw error;
  }
}

function ignoreAbort(error: unknown): void {
  if ((error as Error).name !== "AbortError") throw error;
}
