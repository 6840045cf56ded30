/**
 * Checks of callers' arguments. Each throws a `DatapathError` `BAD_USAGE` that says what is expected.
 */
import { DatapathError } from "@dp/sys";
import { addressBits, type Family } from "./codec/family.ts";
import { formatIp, parseIp } from "./codec/ip.ts";
import { parseMac } from "./codec/mac.ts";

function bad(op: string, reason: string): DatapathError {
  return new DatapathError("BAD_USAGE", op, reason);
}

function quote(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** Longest name of an interface in bytes, its alternative names aside (IFNAMSIZ without the NUL). */
export const MAX_NAME = 15;
/** Longest alternative name (ALTIFNAMSIZ without the NUL). */
const MAX_ALTERNATIVE_NAME = 127;

/** What the kernel accepts as the name of a new interface (dev_valid_name). */
export function checkInterfaceName(name: string, op: string): string {
  const length = nameLength(name, op);
  if (length > MAX_NAME) {
    throw bad(op, `${quote(name)} is ${length} bytes long, an interface name has at most ${MAX_NAME}`);
  }
  if (name === "." || name === ".." || name.includes(":")) {
    throw bad(op, `${quote(name)} is not an interface name: it contains a colon, or is . or ..`);
  }
  // The kernel takes a % for a pattern and would invent a name.
  if (name.includes("%")) throw bad(op, `${quote(name)} is not an interface name: % would make the kernel choose one`);
  return name;
}

/** An existing interface, by its index, name or alternative name. */
export function checkLinkRef(ref: number | string, op: string): number | string {
  if (typeof ref !== "string") return checkIndex(ref, op);
  if (nameLength(ref, op) > MAX_ALTERNATIVE_NAME) throw bad(op, `no interface name has ${nameLength(ref, op)} bytes`);
  return ref;
}

/** Length in bytes of what could be a name. */
function nameLength(name: string, op: string): number {
  if (typeof name !== "string" || name === "") throw bad(op, "an interface needs a name");
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[/\s\u0000-\u001f\u007f]/.test(name)) {
    throw bad(op, `${quote(name)} is not an interface name: it contains a slash, blanks or control characters`);
  }
  return byteLength(name);
}

/** Length of a string in UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

/** An interface index. */
export function checkIndex(index: number, op: string): number {
  return checkInteger(index, 1, 0x7fff_ffff, "an interface index", op);
}

export function checkInteger(value: number, min: number, max: number, what: string, op: string): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw bad(op, `${quote(value)} is not ${what}: it is a whole number from ${min} to ${max}`);
  }
  return value;
}

export function checkMtu(mtu: number, op: string): number {
  return checkInteger(mtu, 1, 0x7fff_ffff, "an MTU", op);
}

/** An Ethernet address that may belong to one interface. Returns it in lower case. */
export function checkMac(mac: string, op: string): string {
  const address = typeof mac === "string" ? parseMac(mac) : undefined;
  if (address === undefined || address.byteLength !== 6) {
    throw bad(op, `${quote(mac)} is not a MAC address like 7e:90:c4:ed:df:d0`);
  }
  if (((address[0] as number) & 1) !== 0) throw bad(op, `${mac} is a multicast address, which no interface can have`);
  if (address.every((octet) => octet === 0)) throw bad(op, `${mac} is not the address of an interface`);
  return mac.toLowerCase();
}

export interface IpAddress {
  readonly family: Family;
  /** In its one canonical spelling. */
  readonly address: string;
  readonly bytes: Uint8Array;
}

export function checkIp(address: string, op: string): IpAddress {
  const bytes = typeof address === "string" ? parseIp(address) : undefined;
  if (bytes === undefined) throw bad(op, `${quote(address)} is not an IP address`);
  return { family: bytes.byteLength === 4 ? "inet" : "inet6", address: formatIp(bytes) as string, bytes };
}

export function checkPrefixLength(prefix: number, family: Family, op: string): number {
  return checkInteger(prefix, 0, addressBits[family], `a prefix length of an ${family} address`, op);
}

export interface Network {
  readonly family: Family;
  readonly address: string;
  readonly prefix: number;
}

/** `10.2.0.0/16`, `10.2.0.5` for one address, `fd00::/64`. Bits behind the prefix must be zero. */
export function checkNetwork(text: string, op: string): Network {
  const [host, length, ...rest] = typeof text === "string" ? text.split("/") : [];
  if (host === undefined || rest.length > 0) throw bad(op, `${quote(text)} is not a network like 10.2.0.0/16`);
  const { family, address, bytes } = checkIp(host, op);
  if (length !== undefined && !/^\d{1,3}$/.test(length)) throw bad(op, `${quote(text)} has no valid prefix length`);
  const prefix = checkPrefixLength(length === undefined ? addressBits[family] : Number(length), family, op);
  const masked = bytes.map((byte, i) => byte & (0xff << Math.min(8, Math.max(0, 8 * (i + 1) - prefix))));
  const network = formatIp(masked) as string;
  if (network !== address) throw bad(op, `${text} has bits behind its prefix; did you mean ${network}/${prefix}?`);
  return { family, address, prefix };
}

/** One of a closed set of words. */
export function checkWord<T extends string>(value: T, allowed: readonly T[], what: string, op: string): T {
  if (!allowed.includes(value)) throw bad(op, `${quote(value)} is not ${what}: one of ${allowed.join(", ")}`);
  return value;
}
