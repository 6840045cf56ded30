/**
 * A parser for BTF, the type information in a BPF object's `.BTF` section (Documentation/bpf/btf.rst in Linux).
 *
 * It reads all kinds up to Linux 6.x and keeps what describing a map's types needs. Types are numbered from 1, 0 is
 * void; a type may refer to a later one, so references are checked when they are followed.
 */
import { elfSection } from "./elf.ts";

/** The bytes are not BTF, are damaged, or describe something nonsensical (a type that contains itself). */
export class BtfError extends Error {
  override readonly name = "BtfError";
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A member of a struct or union. */
export interface BtfMember {
  readonly name: string;
  readonly type: number;
  /** From the start of the struct, in bits. */
  readonly bitOffset: number;
  /** Width of a bit-field, 0 for an ordinary member. */
  readonly bitSize: number;
}

/** A name of an enum, with its number. */
export interface BtfEnumerator {
  readonly name: string;
  readonly value: bigint;
}

interface BtfComposite<Kind extends string> {
  readonly kind: Kind;
  readonly name: string;
  readonly size: number;
  readonly members: readonly BtfMember[];
}

/** A type, as C declares it. */
export type BtfType =
  | { readonly kind: "void" }
  | { readonly kind: "int"; readonly name: string; readonly size: number; readonly signed: boolean }
  | { readonly kind: "ptr"; readonly type: number }
  | { readonly kind: "array"; readonly type: number; readonly length: number }
  | BtfComposite<"struct">
  | BtfComposite<"union">
  | {
      readonly kind: "enum";
      readonly name: string;
      readonly size: number;
      readonly values: readonly BtfEnumerator[];
    }
  | { readonly kind: "typedef"; readonly name: string; readonly type: number }
  | { readonly kind: "const" | "volatile" | "restrict"; readonly type: number }
  | { readonly kind: "type_tag"; readonly name: string; readonly type: number }
  | { readonly kind: "var"; readonly name: string; readonly type: number }
  | { readonly kind: "datasec"; readonly name: string; readonly size: number; readonly variables: readonly number[] }
  | { readonly kind: "fwd" | "func" | "func_proto" | "float" | "decl_tag"; readonly name: string };

const MAGIC = 0xeb9f;
const VERSION = 1;
const HEADER_SIZE = 24;

/** BTF_KIND_* by number. */
const KINDS = [
  undefined,
  "int",
  "ptr",
  "array",
  "struct",
  "union",
  "enum",
  "fwd",
  "typedef",
  "volatile",
  "const",
  "restrict",
  "func",
  "func_proto",
  "var",
  "datasec",
  "float",
  "decl_tag",
  "type_tag",
  "enum64",
] as const;

/** A chain of typedefs or arrays longer than this goes round in a circle (the kernel's own limit is 32). */
const MAX_DEPTH = 32;

/** The types of an object file or of a map in the kernel. What is damaged throws {@link BtfError}. */
export class Btf {
  /** Indexed by type id; [0] is void. */
  readonly types: readonly BtfType[];

  private constructor(types: readonly BtfType[]) {
    this.types = types;
  }

  /** Parses the contents of a `.BTF` section. Throws {@link BtfError}. */
  static parse(bytes: Uint8Array): Btf {
    return new Btf(parseTypes(bytes));
  }

  /** Finds and parses the BTF of a BPF object file. Throws {@link BtfError} or `ElfError`. */
  static fromObject(file: Uint8Array): Btf {
    const section = elfSection(file, ".BTF");
    if (section === undefined) {
      throw new BtfError(
        "the object has no .BTF section: it was compiled without -g",
        "compile it with clang -g; llvm-strip --strip-debug keeps BTF, llvm-strip alone does not",
      );
    }
    return Btf.parse(section);
  }

  /** The type of an id; 0 is void. */
  type(id: number): BtfType {
    const type = this.types[id];
    if (type === undefined) throw new BtfError(`type ${id} does not exist: there are ${this.types.length - 1}`);
    return type;
  }

  /** The first type of that kind and name. */
  find<K extends "struct" | "union" | "enum" | "datasec">(
    kind: K,
    name: string,
  ): Extract<BtfType, { kind: K }> | undefined {
    return this.types.find(
      (type): type is Extract<BtfType, { kind: K }> => type.kind === kind && "name" in type && type.name === name,
    );
  }

  /** The struct of that name; or the one without a name that a typedef gives it. */
  findStruct(name: string): Extract<BtfType, { kind: "struct" }> | undefined {
    const struct = this.find("struct", name);
    if (struct !== undefined || name === "") return struct;
    const alias = this.types.findIndex((type) => type.kind === "typedef" && type.name === name);
    const type = alias < 0 ? undefined : this.resolve(alias);
    return type?.kind === "struct" ? type : undefined;
  }

  /** The type behind const, volatile, restrict and type tags; typedefs are kept, since `__be32` means something. */
  unqualified(id: number): number {
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const type = this.type(id);
      switch (type.kind) {
        case "const":
        case "volatile":
        case "restrict":
        case "type_tag":
          id = type.type;
          break;
        default:
          return id;
      }
    }
    throw new BtfError(`type ${id} is qualified in a circle`);
  }

  /** The type behind qualifiers and typedefs alike. */
  resolve(id: number): BtfType {
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const type = this.type(this.unqualified(id));
      if (type.kind !== "typedef") return type;
      id = type.type;
    }
    throw new BtfError(`type ${id} is a typedef of itself`);
  }

  /** sizeof, in bytes. Throws {@link BtfError} for a type without one. */
  sizeOf(id: number): number {
    let count = 1;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const type = this.resolve(id);
      switch (type.kind) {
        case "int":
        case "struct":
        case "union":
        case "enum":
          return count * type.size;
        case "ptr":
          return count * 8;
        case "array":
          count *= type.length;
          id = type.type;
          break;
        default:
          throw new BtfError(`a ${type.kind} has no size`);
      }
    }
    throw new BtfError(`type ${id} is an array of itself`);
  }

  /** The type as C writes it: `__be32`, `struct dp_veth_peer`, `char[16]`. */
  describe(id: number): string {
    let dimensions = "";
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const type = this.type(this.unqualified(id));
      switch (type.kind) {
        case "void":
          return "void";
        case "int":
        case "typedef":
          return type.name + dimensions;
        case "struct":
        case "union":
        case "enum":
          return `${type.kind} ${type.name || "(anonymous)"}${dimensions}`;
        case "ptr":
          return `pointer${dimensions}`;
        case "array":
          dimensions += `[${type.length}]`;
          id = type.type;
          break;
        default:
          return type.kind + dimensions;
      }
    }
    throw new BtfError(`type ${id} is an array of itself`);
  }
}

function parseTypes(bytes: Uint8Array): BtfType[] {
  if (bytes.byteLength < HEADER_SIZE) throw new BtfError(`not BTF: only ${bytes.byteLength} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint16(0, true);
  if (magic !== MAGIC) throw new BtfError(`not little-endian BTF: magic 0x${magic.toString(16)}`);
  if (view.getUint8(2) !== VERSION) throw new BtfError(`BTF version ${view.getUint8(2)}, expected ${VERSION}`);
  const headerLength = view.getUint32(4, true);
  if (headerLength < HEADER_SIZE) throw new BtfError(`BTF header of ${headerLength} bytes`);
  const part = (offsetAt: number, name: string): Uint8Array => {
    const start = headerLength + view.getUint32(offsetAt, true);
    const end = start + view.getUint32(offsetAt + 4, true);
    if (end > bytes.byteLength) throw new BtfError(`the BTF ${name} section is cut off`);
    return bytes.subarray(start, end);
  };
  const cursor = new Cursor(part(8, "type"), part(16, "string"));

  const types: BtfType[] = [{ kind: "void" }];
  while (!cursor.atEnd) types.push(parseType(cursor, types.length));
  return types;
}

/** One btf_type and what follows it. */
function parseType(cursor: Cursor, id: number): BtfType {
  const name = cursor.name();
  const info = cursor.u32();
  const sizeOrType = cursor.u32();
  const length = info & 0xffff;
  const flag = info >>> 31 === 1;
  const kind = KINDS[(info >>> 24) & 0x1f];
  switch (kind) {
    case "int": {
      const encoding = cursor.u32();
      return { kind, name, size: sizeOrType, signed: ((encoding >>> 24) & 1) === 1 };
    }
    case "ptr":
    case "const":
    case "volatile":
    case "restrict":
      return { kind, type: sizeOrType };
    case "type_tag":
    case "typedef":
      return { kind, name, type: sizeOrType };
    case "array": {
      const type = cursor.u32();
      cursor.u32(); // the index's type
      return { kind, type, length: cursor.u32() };
    }
    case "struct":
    case "union": {
      const members = cursor.repeat(length, () => {
        const member = { name: cursor.name(), type: cursor.u32() };
        const offset = cursor.u32();
        // With kind_flag set the upper byte is the width of a bit-field.
        return flag
          ? { ...member, bitOffset: offset & 0xffffff, bitSize: offset >>> 24 }
          : { ...member, bitOffset: offset, bitSize: 0 };
      });
      return { kind, name, size: sizeOrType, members };
    }
    case "enum": {
      const values = cursor.repeat(length, () => {
        const enumerator = cursor.name();
        const value = cursor.u32();
        return { name: enumerator, value: BigInt(flag ? value | 0 : value) };
      });
      return { kind, name, size: sizeOrType, values };
    }
    case "enum64": {
      const values = cursor.repeat(length, () => {
        const enumerator = cursor.name();
        const value = BigInt(cursor.u32()) | (BigInt(cursor.u32()) << 32n);
        return { name: enumerator, value: flag ? BigInt.asIntN(64, value) : value };
      });
      return { kind: "enum", name, size: sizeOrType, values };
    }
    case "func_proto":
      cursor.repeat(length, () => cursor.skip(8));
      return { kind, name };
    case "var":
      cursor.skip(4); // linkage
      return { kind, name, type: sizeOrType };
    case "datasec": {
      const variables = cursor.repeat(length, () => {
        const variable = cursor.u32();
        cursor.skip(8); // offset and size, which the linker of the object fills in
        return variable;
      });
      return { kind, name, size: sizeOrType, variables };
    }
    case "decl_tag":
      cursor.skip(4); // the member it tags
      return { kind, name };
    case "fwd":
    case "func":
    case "float":
      return { kind, name };
    default:
      throw new BtfError(`type ${id} is of the unknown kind ${(info >>> 24) & 0x1f}`);
  }
}

/** Reads the type section from front to back, and never past its end. */
class Cursor {
  readonly #types: DataView;
  readonly #strings: Uint8Array;
  #offset = 0;

  constructor(types: Uint8Array, strings: Uint8Array) {
    this.#types = new DataView(types.buffer, types.byteOffset, types.byteLength);
    this.#strings = strings;
  }

  get atEnd(): boolean {
    return this.#offset === this.#types.byteLength;
  }

  u32(): number {
    const at = this.#offset;
    this.skip(4);
    return this.#types.getUint32(at, true);
  }

  skip(length: number): void {
    if (this.#offset + length > this.#types.byteLength) throw new BtfError("the BTF type section ends inside a type");
    this.#offset += length;
  }

  repeat<T>(count: number, read: () => T): T[] {
    return Array.from({ length: count }, read);
  }

  /** A 32-bit offset into the string section, followed. */
  name(): string {
    const offset = this.u32();
    const end = this.#strings.indexOf(0, offset);
    if (offset >= this.#strings.byteLength || end < 0) throw new BtfError("a BTF name lies beyond the strings");
    return new TextDecoder().decode(this.#strings.subarray(offset, end));
  }
}
