import { DatapathError, Fd } from "@dp/sys";
import { libbpf, type Pointer } from "../ffi/libbpf.ts";
import { NativeMemory } from "../ffi/libc.ts";
import { withLibbpfLog } from "../ffi/log.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import type { Codec } from "./codec.ts";
import { callError, check } from "./errors.ts";
import { readLoaded, variableArgument, writeLoaded } from "./global-variable.ts";
import { MapOfMaps } from "./map-of-maps.ts";
import { BpfMap, type MapArguments, mapArguments, type MapInfo, mapInfo, type MapOptions } from "./map.ts";
import { ObjectHandle } from "./object-handle.ts";
import { OpenObject } from "./open-object.ts";
import { Program } from "./program.ts";
import { RingBuffer } from "./ring-buffer.ts";
import {
  type EntryValue,
  nameOf,
  type TypedMap,
  type TypedMapOfMaps,
  type TypedProgram,
  type TypedRingBuffer,
  type TypedVariable,
} from "./typed.ts";

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
 * address space only: the kernel provides a page when it is first written to.
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
 * Used after it was closed, it throws `DatapathError` BAD_USAGE.
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
   * Reads an ELF object file's bytes. Nothing is loaded into the kernel before {@link OpenObject.load}.
   *
   * Throws `LibbpfError` (LIBBPF_ERRNO__FORMAT) for other bytes, with libbpf's messages as its cause.
   */
  static open(bytes: Uint8Array, options: OpenOptions): OpenObject<BpfObject> {
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
        throw callError(result, { op, call: "bpf_object__open_mem", messages, hint: openHint(messages) });
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

  /** Names of its programs, also of those that were not loaded. */
  programNames(): string[] {
    return this.#handle.programs().map(programName);
  }

  /**
   * A map of this object, closed with it: by its name and codecs, or by one of a generated module's `mapLayouts`.
   * Throws `DatapathError` when there is none of that name, or when its keys or values have other sizes than the
   * codecs.
   */
  map<K, V, const T extends number>(layout: TypedMap<K, V, T>, options?: MapOptions): BpfMap<K, EntryValue<T, V>>;
  map<K, V>(name: string, key: Codec<K>, value: Codec<V>, options?: MapOptions): BpfMap<K, V>;
  map(first: string | TypedMap<unknown, unknown>, ...rest: unknown[]): BpfMap<unknown, unknown> {
    const name = nameOf(first);
    const args = (typeof first === "string" ? rest : [first, ...rest]) as unknown as MapArguments;
    const { key, value, options } = mapArguments(args);
    return new BpfMap(this.#mapFd(name), key, value, { name, ...options, borrowed: true });
  }

  /** A map of maps, by one of a generated module's `mapLayouts`; closed with this object. Throws as {@link map}. */
  mapOfMaps<K, InnerK, InnerV, const T extends number>(
    layout: TypedMapOfMaps<K, InnerK, InnerV, T>,
    options: MapOptions = {},
  ): MapOfMaps<K, InnerK, EntryValue<T, InnerV>> {
    return new MapOfMaps(this.#mapFd(layout.name), layout, { ...options, borrowed: true });
  }

  /**
   * The reading end of a ring buffer, by the map's name or layout. It has to be closed, and reads while this object is
   * open. Throws `DatapathError` when there is none of that name.
   *
   * @param record what the programs write; bpf2ts has it with `--struct NAME`
   */
  ringBuffer<T>(map: string | TypedRingBuffer, record: Codec<T>): RingBuffer<T> {
    const name = nameOf(map);
    return new RingBuffer(this.#mapFd(name), record, { name, borrowed: true });
  }

  #mapFd(name: string): Fd {
    const pointer = this.#handle.maps().find((each) => mapName(each) === name);
    if (pointer === undefined) throw this.#missing("map", name, this.mapNames());
    const op = `open map ${name} of BPF object ${this.name}`;
    return this.#lend(check(libbpf.mapFd(pointer), { op, call: "bpf_map__fd" }));
  }

  /** A global variable's value now, by name and codec or by one of a generated module's `variableLayouts`. */
  variable<T>(layout: TypedVariable<T>): T;
  variable<T>(name: string, codec: Codec<T>): T;
  variable(first: string | TypedVariable<unknown>, second?: unknown): unknown {
    const { name, codec } = variableArgument(first, second);
    return readLoaded(this.#handle, name, codec);
  }

  /**
   * Sets a global variable that programs are using: numbers in one piece, anything larger byte by byte. Throws
   * `DatapathError` for a constant (`const volatile`): that is set before the object is loaded.
   */
  setVariable<T>(layout: TypedVariable<T>, value: T): void;
  setVariable<T>(name: string, codec: Codec<T>, value: T): void;
  setVariable(first: string | TypedVariable<unknown>, ...rest: unknown[]): void {
    const { name, codec } = variableArgument(first, rest[0]);
    writeLoaded(this.#handle, name, codec, rest.at(-1));
  }

  /** What the kernel knows of its maps, with their whole names. */
  maps(): MapInfo[] {
    return this.mapNames().map((name) => ({ ...mapInfo(this.#mapFd(name).number), name }));
  }

  /** Its programs that were loaded. */
  programs(): Program[] {
    const loaded = this.#handle.programs().filter((pointer) => libbpf.programFd(pointer) >= 0);
    return loaded.map((pointer) => this.program(programName(pointer)));
  }

  /**
   * A program of this object, closed with it: by its name, or one of a generated module's `programLayouts`. Throws
   * `DatapathError` when none of that name was loaded.
   */
  program(program: string | TypedProgram): Program {
    const name = nameOf(program);
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

function openHint(messages: readonly string[]): string | undefined {
  if (!messages.some((line) => /'.*\.inner': can't determine (key|value) size/.test(line))) return undefined;
  return "clang leaves out a struct that only an inner map has: define a variable of it, const struct slot unused = {}";
}

// SAFETY (both): the pointer is of an object that its handle just said is open; the text is copied before returning.
function mapName(map: Pointer): string {
  return libbpf.mapName(map) ?? "";
}

function programName(program: Pointer): string {
  return libbpf.programName(program) ?? "";
}
