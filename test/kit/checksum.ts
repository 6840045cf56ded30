/** The Internet checksum (RFC 1071), computed from nothing: what rewritten packets are compared with. */

/** The ones' complement sum of 16-bit words, folded; an odd last byte counts as if a zero followed. */
function sum(parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += 2) total += ((part[at] as number) << 8) | (part[at + 1] ?? 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/**
 * The checksum to write into a header whose checksum field is zero. Each part but the last must be of even length.
 */
export function checksum(...parts: Uint8Array[]): number {
  return ~sum(parts) & 0xffff;
}

/** Whether data that contains its own checksum adds up. */
export function isIntact(...parts: Uint8Array[]): boolean {
  return sum(parts) === 0xffff;
}

/** RFC 9293, 3.1: what TCP and UDP checksums cover besides their own segment. */
export function pseudoHeader(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  length: number,
): Uint8Array {
  return Uint8Array.from([...source, ...destination, 0, protocol, length >>> 8, length & 0xff]);
}
