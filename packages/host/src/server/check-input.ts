/**
 * What callers hand in, checked before anything is looked at or changed. All throw `DatapathError` `BAD_USAGE`.
 */
import { DatapathError, parseIpv4 } from "@dp/sys";

function bad(op: string, reason: string, hint?: string): DatapathError {
  return new DatapathError("BAD_USAGE", op, reason, { hint });
}

const MAX_PORT = 65535;

/** @param what "the container port" */
export function checkPort(port: number, what: string, op: string): number {
  return checkNumber(port, 1, MAX_PORT, what, op);
}

export function checkNumber(value: number, min: number, max: number, what: string, op: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw bad(op, `${what} is ${value}: expected a whole number from ${min} to ${max}`);
}

const MAX_NAME = 63;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Names of servers and groups. @param what "the name" */
export function checkName(name: string, what: string, op: string): string {
  if (name === "") throw bad(op, `${what} is empty`);
  if (name.length > MAX_NAME) throw bad(op, `${what} has ${name.length} characters: at most ${MAX_NAME} are possible`);
  if (!NAME.test(name)) {
    throw bad(
      op,
      `${what} ${JSON.stringify(name)} has other characters than letters, digits and "_", ".", "-", ` +
        "or begins with none of the first two",
    );
  }
  return name;
}

/** A server's name: one that no selector takes for a port, an id or an endpoint. */
export function checkServerName(name: string, op: string): string {
  checkName(name, "the name", op);
  if (!/^\d+$/.test(name)) return name;
  throw bad(op, `the name ${name} is a number: it would be taken for a port`, `for example server-${name}`);
}

const OWNER = /^(cli|file:[!-~]{1,80}|cni:[!-~]{1,80})$/;

/** Who manages a server. */
export function checkOwner(owner: string, op: string): string {
  if (OWNER.test(owner)) return owner;
  throw bad(op, `the owner ${JSON.stringify(owner)} is not cli, file:NAME or cni:NETWORK`);
}

export function checkAddress(address: string, what: string, op: string): string {
  if (parseIpv4(address) === undefined) throw bad(op, `${what} ${JSON.stringify(address)} is not an IPv4 address`);
  return address;
}

/** The name of an interface about to be made. */
export function checkInterfaceName(name: string, op: string): string {
  const length = new TextEncoder().encode(name).byteLength;
  if (length >= 1 && length <= 15 && name !== "." && name !== ".." && /^[!-~]+$/.test(name) && !/[/:%]/.test(name)) {
    return name;
  }
  throw bad(op, `${JSON.stringify(name)} is no name for an interface: 1 to 15 characters, no blanks, "/", ":" or "%"`);
}

export function checkPortRange([first, last]: readonly [number, number], op: string): readonly [number, number] {
  checkPort(first, "the first port of the range", op);
  checkPort(last, "the last port of the range", op);
  if (first > last)
    throw bad(op, `the port range ${first}-${last} ends before it begins`, `did you mean ${last}-${first}?`);
  return [first, last];
}
