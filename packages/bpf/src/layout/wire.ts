/**
 * The pieces generated layouts are made of: how each C type is read from and written into a DataView.
 *
 * The kernel keeps map entries in the host's byte order, and generated layouts are little-endian: on any other host
 * nothing here would be right, so it refuses to start there. Network-order types (`__be16`, `__be32`) are
 * big-endian everywhere; the caller sees plain numbers and dotted strings.
 *
 * Setters take the field's name for their message, and throw `RangeError` rather than wrap or cut.
 */
if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new Error("@dp/bpf: BPF objects and their layouts are little-endian here, this host is big-endian");
}

/** A view of exactly `size` bytes, which is how a map hands out keys and values. */
export function viewOf(bytes: Uint8Array, size: number, what: string): DataView {
  if (bytes.byteLength !== size) throw new RangeError(`${what} is ${size} bytes, not ${bytes.byteLength}`);
  return new DataView(bytes.buffer, bytes.byteOffset, size);
}

/** Zeroed, so padding is. */
export function blank(size: number): DataView<ArrayBuffer> {
  return new DataView(new ArrayBuffer(size));
}

export function bytesOf(view: DataView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function integer(value: number, min: number, max: number, what: string): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${what}: ${value} is not an integer from ${min} to ${max}`);
  }
  return value;
}

function bigInteger(value: bigint, min: bigint, max: bigint, what: string): bigint {
  if (typeof value !== "bigint" || value < min || value > max) {
    throw new RangeError(`${what}: ${String(value)} is not a bigint from ${min} to ${max}`);
  }
  return value;
}

export function setU8(view: DataView, offset: number, value: number, what: string): void {
  view.setUint8(offset, integer(value, 0, 0xff, what));
}

export function setS8(view: DataView, offset: number, value: number, what: string): void {
  view.setInt8(offset, integer(value, -0x80, 0x7f, what));
}

export function setU16(view: DataView, offset: number, value: number, what: string): void {
  view.setUint16(offset, integer(value, 0, 0xffff, what), true);
}

export function setS16(view: DataView, offset: number, value: number, what: string): void {
  view.setInt16(offset, integer(value, -0x8000, 0x7fff, what), true);
}

export function setU32(view: DataView, offset: number, value: number, what: string): void {
  view.setUint32(offset, integer(value, 0, 0xffffffff, what), true);
}

export function setS32(view: DataView, offset: number, value: number, what: string): void {
  view.setInt32(offset, integer(value, -0x80000000, 0x7fffffff, what), true);
}

export function setU64(view: DataView, offset: number, value: bigint, what: string): void {
  view.setBigUint64(offset, bigInteger(value, 0n, 0xffffffffffffffffn, what), true);
}

export function setS64(view: DataView, offset: number, value: bigint, what: string): void {
  view.setBigInt64(offset, bigInteger(value, -0x8000000000000000n, 0x7fffffffffffffffn, what), true);
}

export function setBool(view: DataView, offset: number, value: boolean, what: string): void {
  if (typeof value !== "boolean") throw new RangeError(`${what}: ${String(value)} is not a boolean`);
  view.setUint8(offset, value ? 1 : 0);
}

/** `__be16`: a port, or an IP id. */
export function setBe16(view: DataView, offset: number, value: number, what: string): void {
  view.setUint16(offset, integer(value, 0, 0xffff, what));
}

/** `__be64`. */
export function setBe64(view: DataView, offset: number, value: bigint, what: string): void {
  view.setBigUint64(offset, bigInteger(value, 0n, 0xffffffffffffffffn, what));
}

/** A view of bytes inside others, not a copy. */
export function partOf(view: DataView, offset: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, size);
}

/** `__u8[size]`: a copy. */
export function getBytes(view: DataView, offset: number, size: number): Uint8Array {
  return partOf(view, offset, size).slice();
}

export function setBytes(view: DataView, offset: number, size: number, value: Uint8Array, what: string): void {
  if (value.byteLength !== size) throw new RangeError(`${what} is ${size} bytes, not ${value.byteLength}`);
  partOf(view, offset, size).set(value);
}

export function getArray<T>(length: number, read: (index: number) => T): T[] {
  const array: T[] = [];
  for (let index = 0; index < length; index++) array.push(read(index));
  return array;
}

/** @param write is given an element, its index, and its name: `dp_drops.packets[3]` */
export function setArray<T>(
  length: number,
  value: readonly T[],
  what: string,
  write: (element: T, index: number, what: string) => void,
): void {
  if (value.length !== length) throw new RangeError(`${what} has ${length} elements, not ${value.length}`);
  for (const [index, element] of value.entries()) write(element, index, `${what}[${index}]`);
}

/** As {@link setArray} for an array whose count says how many elements are in use: the others stay zero. */
export function setPartOfArray<T>(
  length: number,
  value: readonly T[],
  what: string,
  write: (element: T, index: number, what: string) => void,
): void {
  if (value.length > length) throw new RangeError(`${what} has room for ${length} elements, not ${value.length}`);
  setArray(value.length, value, what, write);
}
