/** An IPv4 address as an unsigned 32-bit number, first octet highest: what the policy compares. */
export type Ipv4 = number;

const DECIMAL_OCTET = /^(?:0|[1-9][0-9]{0,2})$/;

/**
 * Reads a dotted IPv4 address. Strict: four decimal octets without leading zeros, because programs disagree whether
 * `010.0.0.1` is octal. Returns undefined for anything else.
 */
export function parseIpv4(text: string): Ipv4 | undefined {
  const octets = text.split(".");
  if (octets.length !== 4) return undefined;
  let address = 0;
  for (const octet of octets) {
    if (!DECIMAL_OCTET.test(octet) || Number(octet) > 255) return undefined;
    address = address * 256 + Number(octet);
  }
  return address;
}

export function formatIpv4(address: Ipv4): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join(".");
}

/** The network part of an address; prefix 0 to 32. */
export function maskIpv4(address: Ipv4, prefix: number): Ipv4 {
  // A shift by 32 is a shift by 0 in JavaScript.
  return prefix === 0 ? 0 : (address & (0xffffffff << (32 - prefix))) >>> 0;
}

/** An address and a TCP or UDP port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}
