import { DatapathError } from "@dp/sys";
import { libbpf, type Pointer } from "../ffi/libbpf.ts";

/** The bpf_object of libbpf: closed exactly once, and not used after. */
export class ObjectHandle {
  #pointer: Pointer | undefined;
  #why = "it is closed";
  readonly name: string;

  constructor(pointer: Pointer, name: string) {
    this.#pointer = pointer;
    this.name = name;
  }

  /** Throws `DatapathError` BAD_USAGE once it is closed or handed on. */
  get pointer(): Pointer {
    if (this.#pointer === undefined) throw new DatapathError("BAD_USAGE", `use BPF object ${this.name}`, this.#why);
    return this.#pointer;
  }

  /** Hands the object to a new owner. This handle throws from then on. */
  transfer(): ObjectHandle {
    const { pointer } = this;
    this.#pointer = undefined;
    this.#why = "it was loaded: use the object that load() returned";
    return new ObjectHandle(pointer, this.name);
  }

  close(): void {
    if (this.#pointer === undefined) return;
    // SAFETY: the handle is the pointer's only owner, and forgets it here; libbpf frees the object, its maps and
    // programs, and closes their descriptors.
    libbpf.objectClose(this.#pointer);
    this.#pointer = undefined;
  }

  maps(): Pointer[] {
    return this.#all(libbpf.objectNextMap);
  }

  programs(): Pointer[] {
    return this.#all(libbpf.objectNextProgram);
  }

  // SAFETY: the pointers returned belong to the object and are good until it is closed; they go no further than
  // classes that ask this handle first.
  #all(next: (object: Pointer, previous: Pointer | null) => Pointer | undefined): Pointer[] {
    const all: Pointer[] = [];
    for (let each = next(this.pointer, null); each !== undefined; each = next(this.pointer, each)) all.push(each);
    return all;
  }
}
