/** Addresses: dotted, with colons, as people write them. */

/** `__be32`: an IPv4 address. */
export function getIpv4(view: DataView, offset: number): string {
  const address = view.getUint32(offset);
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

/** Takes four decimal octets without leading zeros, which some parsers read as octal. */
export function setIpv4(view: DataView, offset: number, value: string, what: string): void {
  const octets = IPV4.exec(value);
  if (octets === null) throw new RangeError(`${what}: ${JSON.stringify(value)} is not an IPv4 address`);
  for (let index = 0; index < 4; index++) view.setUint8(offset + index, Number(octets[index + 1]));
}

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

/** `__u8[6]`: a MAC address, lower case with colons. */
export function getMac(view: DataView, offset: number): string {
  const octet = (index: number) => HEX[view.getUint8(offset + index)];
  return `${octet(0)}:${octet(1)}:${octet(2)}:${octet(3)}:${octet(4)}:${octet(5)}`;
}

const MAC = /^[\da-f]{2}(:[\da-f]{2}){5}$/i;

export function setMac(view: DataView, offset: number, value: string, what: string): void {
  if (!MAC.test(value)) throw new RangeError(`${what}: ${JSON.stringify(value)} is not a MAC address`);
  for (const [index, octet] of value.split(":").entries()) view.setUint8(offset + index, Number.parseInt(octet, 16));
}

/** `struct in6_addr`: an IPv6 address, in the short form (RFC 5952). */
export function getIpv6(view: DataView, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(offset + index * 2));
  // IPv4 inside IPv6, which people know by its dots.
  if (groups.every((group, index) => index > 5 || group === (index === 5 ? 0xffff : 0))) {
    return `::ffff:${getIpv4(view, offset + 12)}`;
  }
  const zeros = longestZeros(groups);
  const text = (some: readonly number[]) => some.map((group) => group.toString(16)).join(":");
  if (zeros.length < 2) return text(groups);
  return `${text(groups.slice(0, zeros.start))}::${text(groups.slice(zeros.start + zeros.length))}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > longest.length) longest = { start, length };
  }
  return longest;
}

const GROUP = /^[\da-f]{1,4}$/i;

/** Takes any spelling of an address, without a zone. */
export function setIpv6(view: DataView, offset: number, value: string, what: string): void {
  const groups = groupsOf(value);
  if (groups === undefined) throw new RangeError(`${what}: ${JSON.stringify(value)} is not an IPv6 address`);
  for (const [index, group] of groups.entries()) view.setUint16(offset + index * 2, Number.parseInt(group, 16));
}

/** The eight groups of an IPv6 address; undefined for text that is none. (node:net would take longer to load.) */
function groupsOf(value: string): string[] | undefined {
  // A dotted end, as of ::ffff:10.0.0.1, is two groups.
  const plain = value.replace(/[^:]*\.[^:]*$/, (dotted) => {
    const octets = IPV4.exec(dotted)?.slice(1).map(Number);
    if (octets === undefined) return dotted;
    const [a, b, c, d] = octets as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const halves = plain.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], tail] = halves;
  const missing = 8 - halves.flat().length;
  const fits = tail === undefined ? missing === 0 : halves.length === 2 && missing > 0;
  if (!fits || !halves.flat().every((group) => GROUP.test(group))) return undefined;
  return [...head, ...Array.from({ length: missing }, () => "0"), ...(tail ?? [])];
}

/** The last 4 of an address's 16 bytes are an IPv4 address (RFC 4291 2.5.5.2). */
function isMapped(view: DataView, offset: number): boolean {
  return view.getUint32(offset + 8) === 0xffff && view.getUint32(offset) === 0 && view.getUint32(offset + 4) === 0;
}

/**
 * An address of either family in 16 bytes: IPv4 is kept as ::ffff:a.b.c.d and reads dotted. All bytes zero: no address,
 * the empty text.
 */
export function getAddress(view: DataView, offset: number): string {
  if (isMapped(view, offset)) return getIpv4(view, offset + 12);
  // Most arrays of addresses have empty places: those are not worth the work of formatting.
  return isZero(view, offset) ? "" : getIpv6(view, offset);
}

function isZero(view: DataView, offset: number): boolean {
  for (let word = 0; word < 16; word += 4) if (view.getUint32(offset + word) !== 0) return false;
  return true;
}

/** Takes what {@link getAddress} returns, and any spelling of an IPv6 address that is not an IPv4-mapped one. */
export function setAddress(view: DataView, offset: number, value: string, what: string): void {
  if (value === "") return;
  if (value.includes(":")) {
    setIpv6(view, offset, value, what);
    if (!isMapped(view, offset)) return;
    throw new RangeError(`${what}: ${JSON.stringify(value)} is an IPv4-mapped address: write it dotted`);
  }
  view.setUint32(offset + 8, 0xffff);
  setIpv4(view, offset + 12, value, what);
}
