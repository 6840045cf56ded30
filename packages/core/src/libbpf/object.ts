import { DatapathError, Fd } from "@dp/sys";
import { libbpf, type Pointer } from "../ffi/libbpf.ts";
import { NativeMemory } from "../ffi/libc.ts";
import { withLibbpfLog } from "../ffi/log.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import type { Codec } from "./codec.ts";
import { callError, check } from "./errors.ts";
import { BpfMap, type MapOptions } from "./map.ts";
import { ObjectHandle } from "./object-handle.ts";
import { OpenObject } from "./open-object.ts";
import { Program } from "./program.ts";

export const OBJECT_OPEN_OPTS = struct("bpf_object_open_opts", {
  sz: "u64",
  object_name: "pointer",
  relaxed_maps: "u8",
  pin_root_path: "pointer",
  // An unnamed bit-field of C.
  _unused: "u32",
  kconfig: "pointer",
  btf_custom_path: "pointer",
  kernel_log_buf: "pointer",
  kernel_log_size: "u64",
  kernel_log_level: "u32",
});

/**
 * Room for the verifier's log: the most kernels before 5.2 accept, and far more than a log at level 1 takes. It costs
 * address space only: pages nobody writes to are never there.
 */
const LOG_SIZE = (1 << 24) - 1;

/** How an object is opened. */
export interface OpenOptions {
  /** The object's name, used in errors and in the names of its internal maps (`NAME.rodata`). */
  name: string;
}

/**
 * An object file loaded into the kernel. It owns its maps and programs: they are closed with it. What is pinned, or
 * attached by a link that is, stays.
 * Used after it was closed, it throws.
 */
export class BpfObject implements Disposable {
  readonly name: string;
  readonly #handle: ObjectHandle;
  readonly #lent: Fd[] = [];

  /** Internal: use {@link BpfObject.open} and {@link OpenObject.load}. */
  constructor(handle: ObjectHandle) {
    this.name = handle.name;
    this.#handle = handle;
  }

  /**
   * Reads an ELF object file's bytes. Nothing goes to the kernel before {@link OpenObject.load}.
   *
   * Throws `LibbpfError` (LIBBPF_ERRNO__FORMAT) for bytes that are none, with what libbpf said as its cause.
   */
  static open(bytes: Uint8Array, options: OpenOptions): OpenObject {
    const op = `open BPF object ${options.name}`;
    const log = new NativeMemory(LOG_SIZE);
    try {
      using opts = new NativeStruct(OBJECT_OPEN_OPTS, {
        object_name: options.name,
        kernel_log_buf: log,
        kernel_log_size: BigInt(log.size),
        // Level 0: the kernel is asked for a log only after it has refused a program.
        kernel_log_level: 0,
      });
      // SAFETY: libbpf reads `opts` and the copy of the file (a copy, because ELF wants it aligned) during the call
      // only. It keeps the address of `log` for as long as it may load: the OpenObject owns that until then.
      const file = Uint8Array.from(bytes);
      const pointer = withLibbpfLog((messages) => {
        const result = libbpf.objectOpenMem(file, file.byteLength, opts.bytes);
        if (typeof result === "bigint") return result;
        throw callError(result, { op, call: "bpf_object__open_mem", messages });
      });
      return new OpenObject(new ObjectHandle(pointer, options.name), log, (handle) => new BpfObject(handle));
    } catch (error) {
      log[Symbol.dispose]();
      throw error;
    }
  }

  /** Names of its maps, with those libbpf makes for global variables. */
  mapNames(): string[] {
    return this.#handle.maps().map(mapName);
  }

  /** Names of its programs, of those that were loaded. */
  programNames(): string[] {
    return this.#handle.programs().map(programName);
  }

  /**
   * A map of this object, closed with it. Throws `DatapathError` when there is none of that name, or when its keys or
   * values have other sizes than the codecs.
   */
  map<K, V>(name: string, key: Codec<K>, value: Codec<V>, options: MapOptions = {}): BpfMap<K, V> {
    const pointer = this.#handle.maps().find((each) => mapName(each) === name);
    if (pointer === undefined) throw this.#missing("map", name, this.mapNames());
    const op = `open map ${name} of BPF object ${this.name}`;
    const fd = this.#lend(check(libbpf.mapFd(pointer), { op, call: "bpf_map__fd" }));
    return new BpfMap(fd, key, value, { name, ...options, borrowed: true });
  }

  /** A program of this object, closed with it. Throws `DatapathError` when none of that name was loaded. */
  program(name: string): Program {
    const pointer = this.#handle.programs().find((each) => programName(each) === name);
    if (pointer === undefined) throw this.#missing("program", name, this.programNames());
    const op = `open program ${name} of BPF object ${this.name}`;
    const result = libbpf.programFd(pointer);
    if (result < 0) throw new DatapathError("FAILED", op, "it was not loaded (its autoload is off)");
    return new Program(this.#lend(result), name, true);
  }

  /** A descriptor of libbpf's, which ends with the object: the borrower finds it closed then, not reused. */
  #lend(number: number): Fd {
    const fd = new Fd(number);
    this.#lent.push(fd);
    return fd;
  }

  #missing(kind: string, name: string, there: readonly string[]): DatapathError {
    const reason = `it has ${there.join(", ") || "none"}`;
    return new DatapathError("FAILED", `find ${kind} ${name} in BPF object ${this.name}`, reason);
  }

  /** Closes it with its maps and programs. Pinned and attached things stay. */
  close(): void {
    for (const fd of this.#lent) if (!fd.closed) fd.release();
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

// SAFETY (both): the pointer is of an object that its handle just said is open; the text is copied before returning.
function mapName(map: Pointer): string {
  return libbpf.mapName(map) ?? "";
}

function programName(program: Pointer): string {
  return libbpf.programName(program) ?? "";
}
