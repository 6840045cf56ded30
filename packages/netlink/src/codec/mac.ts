/** `7e:90:c4:ed:df:d0` for those six bytes; any other length likewise, and "" for none. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** The reverse of {@link formatMac}, in either case; undefined for text that is no such address. */
export function parseMac(text: string): Uint8Array | undefined {
  if (text === "") return new Uint8Array(0);
  const octets = text.split(":");
  if (!octets.every((octet) => /^[0-9a-f]{2}$/i.test(octet))) return undefined;
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16));
}
