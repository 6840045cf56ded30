import type { Btf, BtfType } from "../btf.ts";
import { ModelError } from "./model-error.ts";

type BtfStruct = Extract<BtfType, { kind: "struct" }>;
type BtfEnum = Extract<BtfType, { kind: "enum" }>;

type IntegerKind = "u8" | "s8" | "u16" | "s16" | "u32" | "s32" | "u64" | "s64";
type ScalarKind = IntegerKind | "bool" | "be16" | "be64";
type AddressKind = "ipv4" | "ipv6" | "address" | "mac";

/**
 * How a field is read and written; `padding` and `opaque` are neither: they stay zero. Opaque is what only the kernel
 * looks into, like struct bpf_timer.
 */
export type Shape =
  | { readonly kind: ScalarKind | AddressKind | "padding" | "opaque" }
  | { readonly kind: "text" | "bytes"; readonly length: number }
  | ArrayShape
  | { readonly kind: "enum"; readonly name: string; readonly number: IntegerKind; readonly type: BtfEnum }
  | { readonly kind: "struct"; readonly name: string; readonly size: number; readonly type: BtfStruct };

interface ArrayShape {
  readonly kind: "array";
  readonly element: Shape;
  readonly length: number;
  readonly stride: number;
  /** The field of the same struct that says how many elements are in use. Absent: all are. */
  readonly count?: { readonly kind: "u8" | "u16" | "u32"; readonly offset: number };
}

/** Types that mean more than the number they are. */
const BY_NAME: Readonly<Record<string, Shape>> = {
  __be16: { kind: "be16" },
  __be32: { kind: "ipv4" },
  __be64: { kind: "be64" },
  "__u8[6]": { kind: "mac" },
  "struct in6_addr": { kind: "ipv6" },
};

/** Numbers by their size in bytes, unsigned and signed. */
const INTEGERS: Readonly<Record<number, readonly [unsigned: IntegerKind, signed: IntegerKind]>> = {
  1: ["u8", "s8"],
  2: ["u16", "s16"],
  4: ["u32", "s32"],
  8: ["u64", "s64"],
};

/** What a program has the kernel keep in a map's value, and user space sees as zeros. */
const KERNELS_OWN = /^bpf_(spin_lock|timer|wq|list_head|list_node|rb_root|rb_node|refcount)$/;

/** Of a pointer: `__kptr` and its kin in libbpf's headers. */
const KERNELS_OWN_POINTER = /^(kptr(_ref|_untrusted)?|percpu_kptr|uptr)$/;

/** Bytes of an IPv6 address, and of an IPv4-mapped one. */
const ADDRESS_SIZE = 16;

/** Spelled-out padding: `pad`, `pad2`, `_pad`, `padding`. */
export function isPadding(name: string): boolean {
  return /^_*pad(ding)?_?\d*$/.test(name);
}

const NO_ADDRESSES: ReadonlySet<string> = new Set();

/**
 * The shape of a type. Throws {@link ModelError} for one that has none.
 *
 * @param addresses names of structs of 16 bytes that hold an address of either family
 */
export function shapeOf(btf: Btf, id: number, where: string, addresses = NO_ADDRESSES): Shape {
  const c = btf.describe(id);
  const known = BY_NAME[c];
  if (known !== undefined) return known;
  const type = btf.resolve(id);
  switch (type.kind) {
    case "int": {
      if (type.name === "_Bool") return { kind: "bool" };
      const kind = INTEGERS[type.size]?.[type.signed || type.name === "char" ? 1 : 0];
      if (kind !== undefined) return { kind };
      break;
    }
    case "array":
      return arrayOf(btf, type, where, addresses);
    case "struct": {
      // Unnamed bit-fields: compilers leave them out of BTF, or keep them without a name.
      const hidden = type.members.every((member) => member.name === "" && member.bitSize !== 0);
      if (hidden || KERNELS_OWN.test(type.name)) return { kind: "opaque" };
      if (addresses.has(type.name)) {
        if (type.size === ADDRESS_SIZE) return { kind: "address" };
        throw new ModelError(`${where}: ${c} is ${type.size} bytes, not ${ADDRESS_SIZE}`, "an address has 16 bytes");
      }
      return { kind: "struct", name: nameOf(type, c, where), size: type.size, type };
    }
    case "ptr": {
      const target = btf.type(type.type);
      if (target.kind === "type_tag" && KERNELS_OWN_POINTER.test(target.name)) return { kind: "opaque" };
      break;
    }
    // Its bytes: another field says which of its members they are.
    case "union":
      return { kind: "bytes", length: type.size };
    case "enum": {
      const number = INTEGERS[type.size]?.[valuesOf(type).some(({ value }) => value < 0) ? 1 : 0];
      // Clang 14 and 15 cut the values of wider ones to 32 bits.
      if (number === undefined || type.size > 4) break;
      if (type.name === "" && c.startsWith("enum ")) return { kind: number };
      return { kind: "enum", name: nameOf(type, c, where), number, type };
    }
    default:
  }
  throw new ModelError(`${where}: no rendering for ${c}`, HINTS[type.kind]);
}

/** The enumerators. Clang before 15 does not say which are negative; of a small enum it shows, as they do not fit. */
export function valuesOf({ size, values }: BtfEnum): { name: string; value: number }[] {
  const most = (1n << BigInt(8 * size)) - 1n;
  return values.map(({ name, value }) => ({ name, value: Number(value > most ? BigInt.asIntN(32, value) : value) }));
}

const HINTS: Readonly<Record<string, string>> = {
  ptr: "an address means nothing outside of the kernel: leave it out, or make it a __u64",
  enum: "only enums of up to 4 bytes are known: use a __u64",
  fwd:
    "its members are not in the object: include the header that declares it; when only an inner map has it, clang " +
    "leaves them out unless a variable has it, too: const struct slot unused_slot = {};",
  int: "numbers have 1, 2, 4 or 8 bytes here: use an array of them",
};

function arrayOf(
  btf: Btf,
  array: Extract<BtfType, { kind: "array" }>,
  where: string,
  addresses: ReadonlySet<string>,
): Shape {
  const { length } = array;
  const element = btf.describe(array.type);
  if (length === 0) {
    throw new ModelError(`${where}: a flexible array (${element}[])`, "give it a length: a map's values have one size");
  }
  if (element === "char") return { kind: "text", length };
  const shape = shapeOf(btf, array.type, where, addresses);
  if (shape.kind === "u8") return { kind: "bytes", length };
  if (shape.kind === "opaque") throw new ModelError(`${where}: no rendering for ${element}[${length}]`);
  return { kind: "array", element: shape, length, stride: btf.sizeOf(array.type) };
}

/** Its tag, or the typedef that is its only name. */
function nameOf(type: { readonly kind: string; readonly name: string }, c: string, where: string): string {
  if (type.name !== "") return type.name;
  if (/^\w+$/.test(c)) return c;
  throw new ModelError(`${where}: ${type.kind === "enum" ? "an enum" : `a ${type.kind}`} without a name`, "name it");
}
