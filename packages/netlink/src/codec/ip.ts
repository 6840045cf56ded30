/** The bytes of an IPv4 (4) or IPv6 address (16), in network order; undefined for any other text. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Dotted IPv4 for 4 bytes, RFC 5952 text for 16; undefined for any other length. */
export function formatIp(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength === 4) return bytes.join(".");
  if (bytes.byteLength === 16) return formatIpv6(bytes);
  return undefined;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const octets = text.split(".");
  // No leading zeros: half of the world reads them as octal.
  if (octets.length !== 4 || !octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)) {
    return undefined;
  }
  return Uint8Array.from(octets, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  // `::` stands for one group of zeros at least.
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

/** The bytes of `a:b:c`, whose last group may be dotted when nothing follows it. */
function parseGroups(text: string, atEnd: boolean): number[] | undefined {
  if (text === "") return [];
  const result: number[] = [];
  const groups = text.split(":");
  for (const [position, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      result.push(value >> 8, value & 0xff);
      continue;
    }
    const dotted = atEnd && position === groups.length - 1 ? parseIpv4(group) : undefined;
    if (dotted === undefined) return undefined;
    result.push(...dotted);
  }
  return result;
}

function formatIpv6(bytes: Uint8Array): string {
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return `::ffff:${bytes.subarray(12).join(".")}`;

  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number));
  // The longest run of at least two zero groups becomes `::`; the first of equals.
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
