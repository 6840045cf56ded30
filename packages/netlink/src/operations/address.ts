import { Errno } from "@dp/sys";
import { addressAttributes, AddressFlag, addressMessage } from "../codec/address.ts";
import { AF_UNSPEC, type Family, familyName, familyNumber } from "../codec/family.ts";
import { type Frame, MessageFlag } from "../codec/frame.ts";
import { scopes } from "../codec/names.ts";
import { RtnlType } from "../codec/type.ts";
import type { Connection } from "../connection.ts";
import { NetlinkError } from "../error.ts";
import { checkIndex, checkIp, checkPrefixLength, checkWord } from "../input.ts";
import { linkName } from "./link.ts";

/** How far away a destination is, or where an address is valid. */
export type Scope = "global" | "site" | "link" | "host" | "nowhere";

/** An IP address of an interface. */
export interface Address {
  readonly family: Family;
  readonly ifindex: number;
  /** The interface's own address: "10.1.0.2". */
  readonly address: string;
  /** Prefix length in bits. */
  readonly prefix: number;
  /** A number for those without a name. */
  readonly scope: Scope | number;
  /** The far end's address, on a point-to-point interface that has one. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly label: string | undefined;
  /** IFA_F_* bits. */
  readonly flags: number;
}

/** Which addresses; an omitted field matches all. */
export interface AddressFilter {
  ifindex?: number | undefined;
  family?: Family | undefined;
}

/** An address to add to an interface. */
export interface AddressOptions {
  ifindex: number;
  /** "10.1.0.2" or "fd00::1". */
  address: string;
  /** Prefix length in bits, 0 to 32 or 128. */
  prefix: number;
  /** Default "global", for 127.0.0.0/8 and ::1 "host". */
  scope?: Scope | undefined;
  /** Do not make the route to the prefix that usually comes with an address. */
  noPrefixRoute?: boolean | undefined;
  /** IPv6: usable at once, without duplicate address detection. */
  noDuplicateDetection?: boolean | undefined;
}

const { RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR } = RtnlType;
const { NLM_F_CREATE, NLM_F_EXCL } = MessageFlag;

export function listAddresses(connection: Connection, filter: AddressFilter): Address[] {
  const op = "list addresses";
  const family = filter.family === undefined ? AF_UNSPEC : familyNumber[filter.family];
  const index = filter.ifindex === undefined ? 0 : checkIndex(filter.ifindex, op);
  const payload = addressMessage.build({ ifa_family: family, ifa_index: index }, {});
  try {
    return connection
      .dump({ type: RTM_GETADDR, payload }, op)
      .flatMap(readAddress)
      .filter((address) => filter.family === undefined || address.family === filter.family);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === Errno.ENODEV) return [];
    throw error;
  }
}

export function addAddress(connection: Connection, options: AddressOptions): void {
  const describe = (): string => describeChange("add address", "to", connection, options);
  const payload = request(options, `add address ${options.address}/${options.prefix}`);
  connection.change({ type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL, payload }, describe);
}

export function deleteAddress(
  connection: Connection,
  options: Pick<AddressOptions, "ifindex" | "address" | "prefix">,
): boolean {
  const describe = (): string => describeChange("delete address", "from", connection, options);
  const { ifindex, address, prefix } = options;
  const payload = request({ ifindex, address, prefix }, `delete address ${address}/${prefix}`);
  try {
    connection.change({ type: RTM_DELADDR, payload }, describe);
    return true;
  } catch (error) {
    const gone: number[] = [Errno.EADDRNOTAVAIL, Errno.ENODEV];
    if (error instanceof NetlinkError && gone.includes(error.errno)) return false;
    throw error;
  }
}

function describeChange(
  what: string,
  preposition: string,
  connection: Connection,
  { address, prefix, ifindex }: Pick<AddressOptions, "ifindex" | "address" | "prefix">,
): string {
  return `${what} ${address}/${prefix} ${preposition} ${linkName(connection, ifindex)}`;
}

function request(options: AddressOptions, op: string): Uint8Array {
  const { family, address, bytes } = checkIp(options.address, op);
  const local = family === "inet" ? bytes[0] === 127 : address === "::1";
  const scope = checkWord(options.scope ?? (local ? "host" : "global"), scopes.all, "a scope", op);
  const flags =
    (options.noPrefixRoute ? AddressFlag.IFA_F_NOPREFIXROUTE : 0) |
    (options.noDuplicateDetection ? AddressFlag.IFA_F_NODAD : 0);
  return addressMessage.build(
    {
      ifa_family: familyNumber[family],
      ifa_prefixlen: checkPrefixLength(options.prefix, family, op),
      ifa_scope: scopes.number(scope),
      ifa_index: checkIndex(options.ifindex, op),
    },
    { IFA_LOCAL: address, IFA_ADDRESS: address, IFA_FLAGS: flags === 0 ? undefined : flags },
  );
}

export function readAddress(frame: Frame): Address[] {
  if (frame.type !== RTM_NEWADDR) return [];
  const { header, attributes } = addressMessage.read(frame.payload);
  const values = addressAttributes.values(attributes);
  const family = familyName(header.ifa_family);
  const address = values.IFA_LOCAL ?? values.IFA_ADDRESS;
  if (family === undefined || address === undefined) return [];
  return [
    {
      family,
      ifindex: header.ifa_index,
      address,
      prefix: header.ifa_prefixlen,
      scope: scopes.name(header.ifa_scope),
      peer: values.IFA_ADDRESS === address ? undefined : values.IFA_ADDRESS,
      broadcast: values.IFA_BROADCAST,
      label: values.IFA_LABEL,
      flags: values.IFA_FLAGS ?? header.ifa_flags,
    },
  ];
}
