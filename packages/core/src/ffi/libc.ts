/**
 * What core needs of libc: bpf(2) for TCX, which libbpf 1.1 lacks; vsnprintf for libbpf's messages; memory for the
 * verifier's log and memory shared with the kernel; the monotonic clock; ioctl for an interface's index and address.
 */
import koffi from "koffi";

type Native = (...args: unknown[]) => number;

let library: ReturnType<typeof koffi.load> | undefined;

function bind(prototype: string): Native {
  let bound: Native | undefined;
  return (...args) => {
    if (bound === undefined) {
      library ??= koffi.load("libc.so.6");
      bound = library.func(prototype) as Native;
    }
    return bound(...args);
  };
}

/** Turns libc's -1 into a negative errno(3), read as the very next call. */
function orErrno(result: number): number {
  return result === -1 ? -koffi.errno() : result;
}

const SYS_BPF: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  s390x: 351,
  ppc64: 361,
};

const rawSyscall = bind("long syscall(long number, long command, void *attr, unsigned long size)");
const rawIoctl = bind("int ioctl(int fd, unsigned long request, void *argument)");

/** bpf(2): a descriptor or 0, or a negative errno(3). */
export function bpfSyscall(command: number, attr: Uint8Array): number {
  const number = SYS_BPF[process.arch];
  const ENOSYS = 38;
  if (number === undefined) return -ENOSYS;
  // SAFETY: the kernel reads `attr` (and may write answers into it) during the call and keeps nothing of it; the
  // memory its pointer fields name is held by the NativeStruct it belongs to, which outlives the call.
  return orErrno(rawSyscall(number, command, attr, attr.byteLength));
}

/** ioctl(2) with an in/out buffer: 0 or more, or a negative errno(3). */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  // SAFETY: the kernel reads and writes `argument` during the call only; koffi keeps it in place that long.
  return orErrno(rawIoctl(fd, request, argument));
}

const rawClockGettime = bind("int clock_gettime(int clock, void *time)");
const CLOCK_MONOTONIC = 1;

/** Nanoseconds since boot, suspend not counted: bpf_ktime_get_ns(), which a runtime's own clock need not be. */
export function monotonicNow(): bigint {
  const time = new BigInt64Array(2);
  // SAFETY: struct timespec is two longs; libc writes them during the call only.
  rawClockGettime(CLOCK_MONOTONIC, new Uint8Array(time.buffer));
  return (time[0] as bigint) * 1_000_000_000n + (time[1] as bigint);
}

const rawVsnprintf = bind("int vsnprintf(void *buffer, size_t size, const void *format, void *arguments)");

/**
 * vsnprintf(3) into `buffer`: the length the whole text has.
 *
 * `arguments_` is a va_list passed on as it came. Where va_list is an array (x86-64) or a large structure (arm64), a
 * function receives it as a pointer, so declaring it `void *` is right; it is good for one use, inside the callback.
 */
export function vsnprintf(buffer: Uint8Array, format: unknown, arguments_: unknown): number {
  // SAFETY: `format` and `arguments_` belong to libbpf, valid until the callback they were given to returns.
  return rawVsnprintf(buffer, buffer.byteLength, format, arguments_);
}

const rawCalloc = bind("void *calloc(size_t count, size_t size)") as unknown as (
  count: number,
  size: number,
) => bigint | null;
const rawFree = bind("void free(void *memory)");

/**
 * Zeroed memory outside the JavaScript heap, for what native code keeps a pointer to beyond one call. Large pieces
 * cost nothing until they are written to, unlike an ArrayBuffer, which is cleared byte by byte.
 */
export class NativeMemory implements Disposable {
  readonly size: number;
  #address: bigint | undefined;

  constructor(size: number) {
    // SAFETY: this object is the only owner of what calloc returns, and frees it once.
    const address = rawCalloc(1, size);
    if (address === null) throw new RangeError(`no memory for ${size} bytes`);
    this.size = size;
    this.#address = address;
  }

  get address(): bigint {
    if (this.#address === undefined) throw new Error("the native memory was freed");
    return this.#address;
  }

  /** The text up to the first NUL. */
  text(): string {
    // SAFETY: the view is read and dropped before this returns, while the memory is owned.
    const bytes = new Uint8Array(koffi.view(this.address, this.size));
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.slice(0, end < 0 ? this.size : end));
  }

  [Symbol.dispose](): void {
    if (this.#address !== undefined) rawFree(this.#address);
    this.#address = undefined;
  }
}

const rawMmap = bind(
  "void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset)",
) as unknown as (...args: unknown[]) => bigint | null;
const rawMunmap = bind("int munmap(void *address, size_t length)");
const rawPageSize = bind("int getpagesize()");

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Bytes in a page of memory. */
export function pageSize(): number {
  return rawPageSize();
}

/** Memory shared with the kernel, such as a map's values or a ring buffer (mmap(2)). */
export class SharedMemory implements Disposable {
  readonly #address: bigint;
  readonly #length: number;
  #bytes: ArrayBuffer | undefined;

  private constructor(address: bigint, length: number) {
    this.#address = address;
    this.#length = length;
    this.#bytes = koffi.view(address, length);
  }

  /** Maps `length` bytes of what a descriptor is of, from `offset` (whole pages). A negative errno(3) if it cannot. */
  static map(fd: number, length: number, { offset = 0, writable = false } = {}): SharedMemory | number {
    const protection = PROT_READ | (writable ? PROT_WRITE : 0);
    // Not for Atomics unless it is writable: engines implement Atomics.load by adding 0.
    // SAFETY: the kernel chooses the address; this object is the mapping's only owner, and ends it once.
    const address = rawMmap(null, length, protection, MAP_SHARED, fd, offset);
    if (address === null || address === MAP_FAILED) return -koffi.errno();
    return new SharedMemory(address, length);
  }

  /**
   * The memory itself. Keep no reference to it: once this is disposed of, the address may belong to other memory.
   */
  get bytes(): ArrayBuffer {
    if (this.#bytes === undefined) throw new Error("the shared memory is unmapped");
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    if (this.#bytes === undefined) return;
    this.#bytes = undefined;
    // SAFETY: `bytes` is given out to this package alone, which keeps no other reference.
    rawMunmap(this.#address, this.#length);
  }
}

const rawPoll = bind("int poll(void *entries, unsigned long count, int timeout)");

const POLLIN = 1;

/**
 * Waits until a descriptor has something to read (poll(2)), for at most so many milliseconds: 1, 0 if it has not, or a
 * negative errno(3). It blocks the thread.
 */
export function pollReadable(fd: number, timeout: number): number {
  // struct pollfd: int fd, short events, short revents.
  const entry = new Uint8Array(8);
  const view = new DataView(entry.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, POLLIN, true);
  // SAFETY: the kernel reads and writes `entry` during the call only.
  return orErrno(rawPoll(entry, 1, timeout));
}

const rawNameToIndex = bind("unsigned int if_nametoindex(const char *name)");

/** An interface's index in the calling thread's network namespace: 0 without such an interface (if_nametoindex(3)). */
export function nameToIndex(name: string): number {
  return rawNameToIndex(name);
}
