/** Codecs of keys and values that are no struct. */
import { getIpv4, setIpv4 } from "./address.ts";
import type { Codec } from "./layout.ts";
import { blank, bytesOf, setBe16, setU16, setU32, setU64, setU8, viewOf } from "./wire.ts";

/**
 * A codec of its two halves.
 *
 * @param what how errors name it
 * @param read finds the value at the start of the view
 */
export function codec<T>(
  size: number,
  what: string,
  read: (view: DataView) => T,
  write: (view: DataView, value: T) => void,
): Codec<T> {
  return {
    size,
    read: (bytes) => read(viewOf(bytes, size, what)),
    write(value) {
      const view = blank(size);
      write(view, value);
      return bytesOf(view);
    },
  };
}

function scalar<T>(
  size: number,
  type: string,
  get: (view: DataView) => T,
  set: (view: DataView, offset: number, value: T, what: string) => void,
): Codec<T> {
  return codec(size, type, get, (view, value) => set(view, 0, value, type));
}

/** A bare `__u8`. */
export const u8: Codec<number> = scalar(1, "__u8", (view) => view.getUint8(0), setU8);
/** A bare `__u16`. */
export const u16: Codec<number> = scalar(2, "__u16", (view) => view.getUint16(0, true), setU16);
/** A bare `__u32`. */
export const u32: Codec<number> = scalar(4, "__u32", (view) => view.getUint32(0, true), setU32);
/** A bare `__u64`. */
export const u64: Codec<bigint> = scalar(8, "__u64", (view) => view.getBigUint64(0, true), setU64);
/** A bare `__be16`: a port, as one says it. */
export const be16: Codec<number> = scalar(2, "__be16", (view) => view.getUint16(0), setBe16);
/** A bare `__be32`: an IPv4 address. */
export const be32: Codec<string> = scalar(4, "__be32", (view) => getIpv4(view, 0), setIpv4);
