/** Addresses as netlink has them: 4 bytes for IPv4, 16 for IPv6. */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "@dp/sys";

/** The bytes of an IPv4 (4) or IPv6 address (16), in network order; undefined for any other text. */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.includes(":")) return parseIpv6(text);
  const bits = parseIpv4(text);
  if (bits === undefined) return undefined;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, bits);
  return bytes;
}

/** Dotted IPv4 for 4 bytes, RFC 5952 text for 16; undefined for any other length. */
export function formatIp(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength === 16) return formatIpv6(bytes);
  if (bytes.byteLength !== 4) return undefined;
  return formatIpv4(new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0));
}
