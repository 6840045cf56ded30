/**
 * The pieces generated layouts are made of: how each C type is read from and written into a DataView.
 *
 * The kernel keeps map entries in the host's byte order, and the BPF objects are compiled little-endian: on any other
 * host nothing here would be right, so it refuses to start there. Network-order types (`__be16`, `__be32`) are
 * big-endian everywhere; the caller sees plain numbers and dotted strings.
 *
 * Setters take the field's name for their message, and throw `RangeError` rather than wrap or cut.
 */
import type { Codec } from "./layout.ts";

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new Error("@dp/bpf: the BPF objects and their layouts are little-endian, this host is big-endian");
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

export function setU16(view: DataView, offset: number, value: number, what: string): void {
  view.setUint16(offset, integer(value, 0, 0xffff, what), true);
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

/** `__be16`: a port, or an IP id. */
export function setBe16(view: DataView, offset: number, value: number, what: string): void {
  view.setUint16(offset, integer(value, 0, 0xffff, what));
}

export function getU64s(view: DataView, offset: number, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => view.getBigUint64(offset + index * 8, true));
}

export function setU64s(view: DataView, offset: number, count: number, value: readonly bigint[], what: string): void {
  if (value.length !== count) throw new RangeError(`${what} has ${count} elements, not ${value.length}`);
  for (const [index, element] of value.entries()) setU64(view, offset + index * 8, element, `${what}[${index}]`);
}

/** `__be32`: an IPv4 address. */
export function getIpv4(view: DataView, offset: number): string {
  const address = view.getUint32(offset);
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

/** Takes four decimal octets without leading zeros, which some parsers read as octal. */
export function setIpv4(view: DataView, offset: number, value: string, what: string): void {
  const octets = IPV4.exec(value);
  if (octets === null) throw new RangeError(`${what}: ${JSON.stringify(value)} is not an IPv4 address`);
  for (let index = 0; index < 4; index++) view.setUint8(offset + index, Number(octets[index + 1]));
}

/** `__u8[6]`: a MAC address, lower case with colons. */
export function getMac(view: DataView, offset: number): string {
  return Array.from({ length: 6 }, (_, index) =>
    view
      .getUint8(offset + index)
      .toString(16)
      .padStart(2, "0"),
  ).join(":");
}

const MAC = /^[\da-f]{2}(:[\da-f]{2}){5}$/i;

export function setMac(view: DataView, offset: number, value: string, what: string): void {
  if (!MAC.test(value)) throw new RangeError(`${what}: ${JSON.stringify(value)} is not a MAC address`);
  for (const [index, octet] of value.split(":").entries()) view.setUint8(offset + index, Number.parseInt(octet, 16));
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `char[length]`: UTF-8 up to the first NUL. Bytes that are no UTF-8 read as U+FFFD: a name is for people. */
export function getText(view: DataView, offset: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Keeps room for the terminating NUL, so that C may treat the field as a string. */
export function setText(view: DataView, offset: number, length: number, value: string, what: string): void {
  const bytes = encoder.encode(value);
  if (bytes.byteLength >= length) {
    throw new RangeError(`${what}: ${JSON.stringify(value)} is ${bytes.byteLength} bytes, at most ${length - 1} fit`);
  }
  if (value.includes("\0") || decoder.decode(bytes) !== value) {
    throw new RangeError(`${what}: ${JSON.stringify(value)} holds a NUL or half a character`);
  }
  new Uint8Array(view.buffer, view.byteOffset + offset, length).set(bytes);
}

/** A map key or value that is a bare `__u32`. */
export const u32: Codec<number> = {
  size: 4,
  read: (bytes) => viewOf(bytes, 4, "__u32").getUint32(0, true),
  write(value) {
    const view = blank(4);
    setU32(view, 0, value, "__u32");
    return bytesOf(view);
  },
};

/** A map key or value that is a bare `__be32`: an IPv4 address. */
export const be32: Codec<string> = {
  size: 4,
  read: (bytes) => getIpv4(viewOf(bytes, 4, "__be32"), 0),
  write(value) {
    const view = blank(4);
    setIpv4(view, 0, value, "__be32");
    return bytesOf(view);
  },
};
