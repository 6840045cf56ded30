import { familyOf, formatAddress, type IpFamily, parseAddress } from "./address.ts";
import { DatapathError } from "./errors.ts";

/** The addresses of one family that share their first bits: 10.1.0.0/16, fd00::/64. */
export class Prefix {
  readonly family: IpFamily;
  /** The first address, in its 16-byte form (see address.ts). */
  readonly address: Uint8Array;
  /** How many bits are shared: 0 to 32 for IPv4, 0 to 128 for IPv6. */
  readonly length: number;
  /** The first address as a number, which arithmetic needs. */
  readonly #first: bigint;
  readonly #hostBits: number;

  private constructor(family: IpFamily, first: bigint, length: number) {
    this.family = family;
    this.length = length;
    this.#first = first;
    this.#hostBits = BITS[family] - length;
    this.address = bytesOf(first);
  }

  /**
   * The prefix of this length that an address is in.
   *
   * @param address in its 16-byte form
   * @throws RangeError for another number of bytes, and for a length that the family does not have
   */
  static of(address: Uint8Array, length: number): Prefix {
    const family = familyOf(address);
    if (!Number.isInteger(length) || length < 0 || length > BITS[family]) {
      throw new RangeError(`the length of an ${family} prefix is 0 to ${BITS[family]}, not ${length}`);
    }
    const hostBits = BigInt(BITS[family] - length);
    return new Prefix(family, (numberOf(address) >> hostBits) << hostBits, length);
  }

  /**
   * Parses `10.1.0.0/16` or `fd00::/64`. An address alone is the prefix that has only this address.
   *
   * @param op what it is parsed for, for the message
   * @throws DatapathError `BAD_USAGE` for any other text, and for bits set behind the prefix
   */
  static parse(text: string, op: string): Prefix {
    const [, host = "", length] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
    const address = parseAddress(host);
    if (address === undefined) {
      const hint = "give a prefix like 10.1.0.0/16 or fd00::/64";
      throw new DatapathError("BAD_USAGE", op, `${JSON.stringify(text)} is not a prefix`, { hint });
    }
    const longest = BITS[familyOf(address)];
    const bits = length === undefined ? longest : Number(length);
    if (bits > longest) {
      const hint = `${host}/${longest} is the prefix of one address`;
      throw new DatapathError("BAD_USAGE", op, `${text}: the prefix length must be between 0 and ${longest}`, { hint });
    }
    const prefix = Prefix.of(address, bits);
    if (prefix.#first !== numberOf(address)) {
      const hint = `did you mean ${prefix.toString()}?`;
      throw new DatapathError("BAD_USAGE", op, `${text} has bits set behind its prefix`, { hint });
    }
    return prefix;
  }

  /** How many addresses it has, the first and the last included. Exact up to 2^53. */
  get size(): number {
    return 2 ** this.#hostBits;
  }

  /** Whether an address in its 16-byte form is in this prefix. Throws `RangeError` for another number of bytes. */
  contains(address: Uint8Array): boolean {
    if (familyOf(address) !== this.family) return false;
    // Bytes, not numbers: the proxy compares each new connection with some twenty prefixes.
    const bits = 128 - this.#hostBits;
    const wholeBytes = bits >> 3;
    for (let at = 0; at < wholeBytes; at++) if (address[at] !== this.address[at]) return false;
    const difference = (address[wholeBytes] ?? 0) ^ (this.address[wholeBytes] ?? 0);
    return difference >> (8 - (bits & 7)) === 0;
  }

  /** Whether some address is in both. Throws nothing. */
  overlaps(other: Prefix): boolean {
    return this.length <= other.length ? this.contains(other.address) : other.contains(this.address);
  }

  /** The address at an index, in its 16-byte form: the first is 0. Throws `RangeError` outside of the prefix. */
  at(index: number): Uint8Array {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) {
      throw new RangeError(`${this.toString()} has no address ${index}`);
    }
    return bytesOf(this.#first + BigInt(index));
  }

  /**
   * The index of an address in its 16-byte form; undefined outside of the prefix. Exact up to 2^53. Throws `RangeError`
   * for another number of bytes.
   */
  indexOf(address: Uint8Array): number | undefined {
    return this.contains(address) ? Number(numberOf(address) - this.#first) : undefined;
  }

  /** Canonical text: `10.1.0.0/16`. Throws nothing. */
  toString(): string {
    return `${formatAddress(this.address)}/${this.length}`;
  }
}

const BITS: Readonly<Record<IpFamily, number>> = { ipv4: 32, ipv6: 128 };

function numberOf(address: Uint8Array): bigint {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

function bytesOf(bits: bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, bits >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, bits));
  return bytes;
}
