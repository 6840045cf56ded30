import { formatIp, parseIp } from "./ip.ts";
import { formatMac, parseMac } from "./mac.ts";
import { byteCount, MalformedMessageError } from "./malformed.ts";

/** Turns the payload of an attribute, or of a whole message, into a value and back. */
export interface Codec<T> {
  /** Decodes all of `payload`. Throws {@link MalformedMessageError}, and nothing else, for any bytes. */
  read(payload: Uint8Array): T;
  /** Throws `RangeError` for a value the format cannot hold. */
  write(value: T): Uint8Array;
  /** The payload consists of attributes, which the kernel wants marked with NLA_F_NESTED. */
  readonly nested?: boolean;
}

/** A value of fixed size at a fixed offset of a C struct. */
export interface Field<T> {
  readonly size: number;
  /** Reads it at an offset. */
  get(view: DataView, at: number): T;
  /** Writes it at an offset. */
  set(view: DataView, at: number, value: T): void;
}

/** Netlink speaks the machine's own byte order (except in the few attributes marked NLA_F_NET_BYTEORDER). */
export const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function scalar<T extends number | bigint>(
  name: string,
  field: Field<T> & { readonly min: T; readonly max: T },
): Field<T> & Codec<T> {
  const { size, min, max, get } = field;
  function set(view: DataView, at: number, value: T): void {
    const whole = typeof value === "bigint" || Number.isInteger(value);
    if (!whole || value < min || value > max) throw new RangeError(`${String(value)} is not a ${name}`);
    field.set(view, at, value);
  }
  return {
    size,
    get,
    set,
    read(payload) {
      if (payload.byteLength !== size) {
        throw new MalformedMessageError([], `${byteCount(payload.byteLength)} where a ${name} has ${size}`);
      }
      return get(viewOf(payload), 0);
    },
    write(value) {
      const bytes = new Uint8Array(size);
      set(viewOf(bytes), 0, value);
      return bytes;
    },
  };
}

/** `__u8`. */
export const u8 = scalar<number>("u8", {
  size: 1,
  min: 0,
  max: 0xff,
  get: (view, at) => view.getUint8(at),
  set: (view, at, value) => view.setUint8(at, value),
});

/** `__u16`, host byte order. */
export const u16 = scalar<number>("u16", {
  size: 2,
  min: 0,
  max: 0xffff,
  get: (view, at) => view.getUint16(at, LITTLE_ENDIAN),
  set: (view, at, value) => view.setUint16(at, value, LITTLE_ENDIAN),
});

/** `__u32`, host byte order. */
export const u32 = scalar<number>("u32", {
  size: 4,
  min: 0,
  max: 0xffff_ffff,
  get: (view, at) => view.getUint32(at, LITTLE_ENDIAN),
  set: (view, at, value) => view.setUint32(at, value, LITTLE_ENDIAN),
});

/** `__s32`, host byte order. */
export const s32 = scalar<number>("s32", {
  size: 4,
  min: -0x8000_0000,
  max: 0x7fff_ffff,
  get: (view, at) => view.getInt32(at, LITTLE_ENDIAN),
  set: (view, at, value) => view.setInt32(at, value, LITTLE_ENDIAN),
});

/** `__u64`, host byte order. */
export const u64 = scalar<bigint>("u64", {
  size: 8,
  min: 0n,
  max: 0xffff_ffff_ffff_ffffn,
  get: (view, at) => view.getBigUint64(at, LITTLE_ENDIAN),
  set: (view, at, value) => view.setBigUint64(at, value, LITTLE_ENDIAN),
});

/** The bytes themselves. */
export const bytes: Codec<Uint8Array> = { read: (payload) => payload, write: (value) => value };

/** Undecoded attributes, whose meaning depends on a neighbouring attribute. */
export const nestedBytes: Codec<Uint8Array> = { ...bytes, nested: true };

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A NUL-terminated UTF-8 string. The kernel sometimes leaves the NUL out, so reading does not need it. */
export const text: Codec<string> = {
  read(payload) {
    const end = payload.indexOf(0);
    return decoder.decode(end < 0 ? payload : payload.subarray(0, end));
  },
  write(value) {
    if (value.includes("\0")) throw new RangeError("a NUL inside a string");
    return encoder.encode(`${value}\0`);
  },
};

/** An IPv4 (4 bytes) or IPv6 address (16 bytes), in network byte order, as text. */
export const ipAddress: Codec<string> = {
  read(payload) {
    const address = formatIp(payload);
    if (address === undefined) {
      throw new MalformedMessageError([], `${byteCount(payload.byteLength)} where an IP address has 4 or 16`);
    }
    return address;
  },
  write(value) {
    const address = parseIp(value);
    if (address === undefined) throw new RangeError(`${JSON.stringify(value)} is not an IP address`);
    return address;
  },
};

/** A link-layer address of any length as `7e:90:c4:ed:df:d0`; empty for the interfaces that have none. */
export const hardwareAddress: Codec<string> = {
  read: formatMac,
  write(value) {
    const address = parseMac(value);
    if (address === undefined) throw new RangeError(`${JSON.stringify(value)} is not a link-layer address`);
    return address;
  },
};
