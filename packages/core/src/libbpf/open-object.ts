import { DatapathError, Errno } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import type { NativeMemory } from "../ffi/libc.ts";
import { withLibbpfLog } from "../ffi/log.ts";
import type { Codec } from "./codec.ts";
import { callError, LibbpfMessages, NOT_PRIVILEGED } from "./errors.ts";
import { libbpfVersion } from "./feature.ts";
import { readVariable, variableArgument, writeVariable } from "./global-variable.ts";
import type { ObjectHandle } from "./object-handle.ts";
import { OpenMap, OpenProgram } from "./open-parts.ts";
import { nameOf, type TypedProgram, type TypedVariable } from "./typed.ts";
import { VerifierError, verifierSummary } from "./verifier-error.ts";

/**
 * An object file that was read but is not in the kernel yet: the time to set sizes, pins, variables, and which
 * programs to load.
 * Used after it was loaded or closed, it throws `DatapathError` BAD_USAGE.
 *
 * @typeParam Loaded what {@link load} makes: a `BpfObject`
 */
export class OpenObject<Loaded = unknown> implements Disposable {
  readonly name: string;
  readonly #handle: ObjectHandle;
  readonly #log: NativeMemory;
  readonly #loaded: (handle: ObjectHandle) => Loaded;

  /** Internal: use `BpfObject.open`. Takes ownership of handle and log. */
  constructor(handle: ObjectHandle, log: NativeMemory, loaded: (handle: ObjectHandle) => Loaded) {
    this.name = handle.name;
    this.#handle = handle;
    this.#log = log;
    this.#loaded = loaded;
  }

  /** Its maps, with those libbpf makes for global variables. */
  maps(): OpenMap[] {
    return this.#handle.maps().map((pointer) => new OpenMap(pointer, this.#handle));
  }

  /** By its name, or one of a generated module's `mapLayouts`. Throws `DatapathError` when there is no such map. */
  map(map: string | { readonly name: string }): OpenMap {
    return named(this.maps(), nameOf(map), "map", this.name);
  }

  /** Its programs, also those that are not to be loaded. */
  programs(): OpenProgram[] {
    return this.#handle.programs().map((pointer) => new OpenProgram(pointer, this.#handle));
  }

  /** By its name, or one of a generated module's `programLayouts`. Throws `DatapathError` when there is none. */
  program(program: string | TypedProgram): OpenProgram {
    return named(this.programs(), nameOf(program), "program", this.name);
  }

  /**
   * Sets a global variable (`const volatile` or not) to its value at load: by name and codec, or by one of a
   * generated module's `variableLayouts`. Found by its BTF, so the object must have been compiled with -g. Throws
   * `DatapathError` when there is no such variable or the codec's size is not its size.
   */
  setVariable<T>(layout: TypedVariable<T>, value: T): void;
  setVariable<T>(name: string, codec: Codec<T>, value: T): void;
  setVariable(first: string | TypedVariable<unknown>, ...rest: unknown[]): void {
    const { name, codec } = variableArgument(first, rest[0]);
    writeVariable(this.#handle.pointer, this.maps(), name, codec, rest.at(-1));
  }

  /** A global variable's value as the object file has it, or as it was set. */
  variable<T>(layout: TypedVariable<T>): T;
  variable<T>(name: string, codec: Codec<T>): T;
  variable(first: string | TypedVariable<unknown>, second?: unknown): unknown {
    const { name, codec } = variableArgument(first, second);
    return readVariable(this.#handle.pointer, this.maps(), name, codec);
  }

  /**
   * Loads its maps and programs into the kernel. This object cannot be used afterwards: it becomes the `BpfObject`, or
   * is closed when loading fails.
   *
   * Throws {@link VerifierError} with the verifier's log when a program is refused; `SyscallError` or `LibbpfError`
   * with libbpf's messages as its cause for anything else.
   */
  load(): Loaded {
    const handle = this.#handle;
    try {
      return withLibbpfLog((messages) => {
        // SAFETY: the object has the address of `#log` since it was opened; that is freed in close(), not before.
        const result = libbpf.objectLoad(handle.pointer);
        if (result < 0) throw this.#loadError(result, messages);
        return this.#loaded(handle.transfer());
      });
    } finally {
      this.close();
    }
  }

  #loadError(result: number, messages: readonly string[]): DatapathError {
    const op = `load BPF object ${this.name}`;
    const program = messages.map((line) => /^prog '([^']+)': BPF program load failed/.exec(line)?.[1]).find(Boolean);
    const log = this.#log.text();
    if (program !== undefined && verifierSummary(log) !== undefined) {
      return new VerifierError(op, program, log, { cause: new LibbpfMessages(messages) });
    }
    const call = "bpf_object__load";
    const hintOfSection = sectionHint(messages);
    if (hintOfSection !== undefined) return callError(result, { op, call, messages, hint: hintOfSection });
    if (program === undefined || result !== -Errno.EPERM) return callError(result, { op, call, messages });
    const hint = `${NOT_PRIVILEGED}; otherwise this kernel does not load such a program`;
    return callError(result, { op, call, target: `program ${program}`, messages, hint });
  }

  /** Closes it without loading; does nothing once it was loaded or has failed to. */
  close(): void {
    this.#handle.close();
    this.#log[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The hint for a section that this libbpf does not know. */
function sectionHint(messages: readonly string[]): string | undefined {
  const unknown = /^prog '([^']+)': missing BPF prog type, check ELF section name '([^']+)'/;
  const [, program, section = ""] = messages.map((line) => unknown.exec(line)).find(Boolean) ?? [];
  if (program === undefined) return undefined;
  const known = `libbpf ${libbpfVersion()} does not know SEC("${section}")`;
  if (section.startsWith("tcx/")) return `${known}: write SEC("tc"), which attachTcx() takes as well`;
  return `${known}: set its type before load(), with open.program("${program}").setType()`;
}

function named<T extends { name: string }>(parts: readonly T[], name: string, kind: string, object: string): T {
  const part = parts.find((each) => each.name === name);
  if (part !== undefined) return part;
  const there = parts.map((each) => each.name).join(", ") || "none";
  throw new DatapathError("FAILED", `find ${kind} ${name} in BPF object ${object}`, `it has ${there}`);
}
