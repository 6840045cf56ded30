/**
 * Checks of options, before anything is read or changed. All throw `DatapathError` `BAD_USAGE`.
 */
import { DatapathError, parseIpv4 } from "@dp/sys";

function bad(reason: string, hint?: string): DatapathError {
  return new DatapathError("BAD_USAGE", undefined, reason, { hint });
}

const MAX_PORT = 65535;

/** @param what "the container port" */
export function checkPort(port: number, what: string): number {
  return checkNumber(port, 1, MAX_PORT, what);
}

export function checkNumber(value: number, min: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw bad(`${what} is ${value}: expected a whole number from ${min} to ${max}`);
}

const MAX_NAME = 63;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Names of servers and groups. @param what "the name" */
export function checkName(name: string, what: string): string {
  if (name === "") throw bad(`${what} is empty`);
  if (name.length > MAX_NAME) throw bad(`${what} has ${name.length} characters: at most ${MAX_NAME} are possible`);
  if (!NAME.test(name)) {
    throw bad(
      `${what} ${JSON.stringify(name)} has other characters than letters, digits and "_", ".", "-", ` +
        "or does not begin with a letter or digit",
    );
  }
  return name;
}

/** A server's name. It must not be a number, which SERVER takes for a port. */
export function checkServerName(name: string): string {
  checkName(name, "the name");
  if (!/^\d+$/.test(name)) return name;
  throw bad(`the name ${name} is a number: it would be taken for a port`, `for example server-${name}`);
}

const OWNER = /^(cli|file:[!-~]{1,80}|cni:[!-~]{1,80})$/;

/** Who manages a server. */
export function checkOwner(owner: string): string {
  if (OWNER.test(owner)) return owner;
  throw bad(`the owner ${JSON.stringify(owner)} is not cli, file:NAME or cni:NETWORK`);
}

export function checkAddress(address: string, what: string): string {
  if (parseIpv4(address) === undefined) throw bad(`${what} ${JSON.stringify(address)} is not an IPv4 address`);
  return address;
}

/** The name of an interface that will be created. */
export function checkInterfaceName(name: string): string {
  const length = new TextEncoder().encode(name).byteLength;
  if (length >= 1 && length <= 15 && name !== "." && name !== ".." && /^[!-~]+$/.test(name) && !/[/:%]/.test(name)) {
    return name;
  }
  throw bad(`${JSON.stringify(name)} is not a name for an interface: 1 to 15 characters, no blanks, "/", ":" or "%"`);
}

export function checkPortRange([first, last]: readonly [number, number]): readonly [number, number] {
  checkPort(first, "the first port of the range");
  checkPort(last, "the last port of the range");
  if (first > last)
    throw bad(`the port range ${first}-${last} ends before it begins`, `did you mean ${last}-${first}?`);
  return [first, last];
}
