/**
 * IPv4 and IPv6 addresses, as text and as bytes.
 *
 * In keys and records an address of either family has 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`. So each such
 * value has one text: the text `::ffff:10.0.0.1` would be a second one of 10.0.0.1, and {@link parseAddress} refuses
 * it.
 *
 * Parsing is strict. Octets are decimal without leading zeros, because programs disagree whether `010` is octal; IPv6
 * addresses have no zone. What is formatted is canonical: IPv6 by RFC 5952.
 */

/** The first 12 bytes of an IPv4 address in its 16-byte form. */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;

/** Which version of IP an address is of. */
export type IpFamily = "ipv4" | "ipv6";

/**
 * The 16 bytes of an IPv4 or IPv6 address; undefined for any other text, and for `::ffff:a.b.c.d`. It throws nothing.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  if (!text.includes(":")) {
    const bits = parseIpv4(text);
    return bits === undefined ? undefined : Uint8Array.of(...MAPPED, ...octetsOf(bits));
  }
  const bytes = parseIpv6(text);
  return bytes === undefined || isMapped(bytes) ? undefined : bytes;
}

/** The canonical text of an address in its 16-byte form: dotted for IPv4. Throws `RangeError` for another length. */
export function formatAddress(address: Uint8Array): string {
  return familyOf(address) === "ipv4" ? address.subarray(12).join(".") : formatIpv6(address);
}

/** The family of an address in its 16-byte form. Throws `RangeError` for another length. */
export function familyOf(address: Uint8Array): IpFamily {
  return isMapped(checkLength(address)) ? "ipv4" : "ipv6";
}

/** An IPv4 address as a number, the first octet highest; undefined for any other text. It throws nothing. */
export function parseIpv4(text: string): number | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)) {
    return undefined;
  }
  return octets.reduce((bits, octet) => bits * 256 + Number(octet), 0);
}

/** The dotted text of an IPv4 address that is a number from 0 to 2^32 - 1. It throws nothing. */
export function formatIpv4(bits: number): string {
  return octetsOf(bits).join(".");
}

/**
 * The 16 bytes of an IPv6 address in any spelling, `::ffff:10.0.0.1` included; undefined for any other text. It throws
 * nothing.
 */
export function parseIpv6(text: string): Uint8Array | undefined {
  const [head = "", tail, ...rest] = text.split("::");
  if (rest.length > 0) return undefined;
  const first = parseGroups(head, tail === undefined);
  const last = tail === undefined ? [] : parseGroups(tail, true);
  if (first === undefined || last === undefined) return undefined;
  const missing = 16 - first.length - last.length;
  // `::` stands for at least one group of zeros.
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(first);
  bytes.set(last, 16 - last.length);
  return bytes;
}

/** The text of an IPv6 address by RFC 5952, `::ffff:10.0.0.1` included. Throws `RangeError` unless it has 16 bytes. */
export function formatIpv6(address: Uint8Array): string {
  if (isMapped(checkLength(address))) return `::ffff:${address.subarray(12).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, at) => ((address[2 * at] as number) << 8) | (address[2 * at + 1] ?? 0));
  // The longest run of at least two zero groups becomes `::`, the first of equals.
  let start = 0;
  let length = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > length) [start, length] = [at, end - at];
  }
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function octetsOf(bits: number): number[] {
  return [bits >>> 24, (bits >>> 16) & 0xff, (bits >>> 8) & 0xff, bits & 0xff];
}

function isMapped(bytes: Uint8Array): boolean {
  return MAPPED.every((byte, at) => bytes[at] === byte);
}

function checkLength(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength !== 16) throw new RangeError(`an address has 16 bytes, not ${bytes.byteLength}`);
  return bytes;
}

/** The bytes of `a:b:c`. The last group may be dotted when nothing follows. */
function parseGroups(text: string, atEnd: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [position, group] of groups.entries()) {
    if (/^[\da-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const dotted = atEnd && position === groups.length - 1 ? parseIpv4(group) : undefined;
    if (dotted === undefined) return undefined;
    bytes.push(...octetsOf(dotted));
  }
  return bytes;
}
