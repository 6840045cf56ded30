/**
 * Codecs: keys and values of a map as bytes, and back.
 *
 * Scalars in the host's byte order are little-endian here: BPF objects are built for the host they run on, and every
 * machine this runs on is little-endian.
 */
export interface Codec<T> {
  /** Bytes of one encoded value; the map's key or value size. */
  readonly size: number;
  /** Decodes exactly `size` bytes. Must copy what it keeps: the bytes may be reused. */
  read(bytes: Uint8Array): T;
  /** Encodes into exactly `size` bytes. Throws `RangeError` for what does not fit. */
  write(value: T): Uint8Array;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unsigned(name: string, size: 1 | 2 | 4, littleEndian: boolean): Codec<number> {
  const max = 2 ** (8 * size) - 1;
  return {
    size,
    read(bytes) {
      const view = viewOf(bytes);
      if (size === 1) return view.getUint8(0);
      return size === 2 ? view.getUint16(0, littleEndian) : view.getUint32(0, littleEndian);
    },
    write(value) {
      if (!Number.isInteger(value) || value < 0 || value > max) {
        throw new RangeError(`${value} is not a ${name}: expected an integer from 0 to ${max}`);
      }
      const bytes = new Uint8Array(size);
      const view = viewOf(bytes);
      if (size === 1) view.setUint8(0, value);
      else if (size === 2) view.setUint16(0, value, littleEndian);
      else view.setUint32(0, value, littleEndian);
      return bytes;
    },
  };
}

/** `__u8`. */
export const u8: Codec<number> = unsigned("u8", 1, true);
/** `__u16`, host byte order. */
export const u16: Codec<number> = unsigned("u16", 2, true);
/** `__u32`, host byte order. */
export const u32: Codec<number> = unsigned("u32", 4, true);
/** `__be16`: a number, network byte order in the map. */
export const be16: Codec<number> = unsigned("be16", 2, false);
/** `__be32`: a number, network byte order in the map. */
export const be32: Codec<number> = unsigned("be32", 4, false);

/** `__u64`, host byte order. */
export const u64: Codec<bigint> = {
  size: 8,
  read: (bytes) => viewOf(bytes).getBigUint64(0, true),
  write(value) {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`${value} is not a u64`);
    const bytes = new Uint8Array(8);
    viewOf(bytes).setBigUint64(0, value, true);
    return bytes;
  },
};

/** Bytes as they are: `size` of them. Writing anything longer or shorter throws `RangeError`. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    read: (value) => value.slice(),
    write(value) {
      if (value.byteLength !== size) throw new RangeError(`${value.byteLength} bytes given, ${size} expected`);
      return value;
    },
  };
}
