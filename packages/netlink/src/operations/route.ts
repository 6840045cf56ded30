import { DatapathError, Errno } from "@dp/sys";
import { addressBits, type Family, familyName, familyNumber } from "../codec/family.ts";
import { type Frame, MessageFlag } from "../codec/frame.ts";
import { routeProtocols, routeTypes, scopes } from "../codec/names.ts";
import {
  nextHopAttributes,
  type NextHopEntry,
  routeAttributes,
  RouteFlag,
  routeMessage,
  type Via,
} from "../codec/route.ts";
import { RtnlType } from "../codec/type.ts";
import type { Connection } from "../connection.ts";
import { NetlinkError } from "../error.ts";
import { checkIndex, checkInteger, checkIp, checkNetwork, checkWord, type Network } from "../input.ts";
import type { Scope } from "./address.ts";
import { linkName } from "./link.ts";

/** What a route does with a packet: "unicast" sends it on, "local" hands it to the host itself. */
export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw"
  | "nat"
  | "unspec";

/** A route, as the kernel has it. */
export interface Route {
  readonly family: Family;
  /** "10.2.0.0/16", or "default". One address has its prefix, too: "10.2.0.5/32". */
  readonly destination: string;
  readonly gateway: string | undefined;
  /** The interface it goes out of; undefined for those that have none, or several (`nextHops`). */
  readonly ifindex: number | undefined;
  readonly type: RouteType | number;
  readonly scope: Scope | number;
  /** The gateway counts as on the interface's network, without a check of the addresses. */
  readonly onlink: boolean;
  /** The address the host's own packets get as source. */
  readonly source: string | undefined;
  /** The lowest wins. 0 for none. */
  readonly metric: number;
  /** 254 is the main table, 255 the local one. */
  readonly table: number;
  /** Its origin: "kernel", "boot", "static", "dhcp"...; a number for those without a name. */
  readonly protocol: string | number;
  /** RTM_F_* and RTNH_F_* bits. */
  readonly flags: number;
  /** All next hops of a multipath route; empty for every other. */
  readonly nextHops: readonly NextHop[];
}

/** One way of a multipath route. */
export interface NextHop {
  readonly gateway: string | undefined;
  readonly ifindex: number;
  /** 1 to 256: its share of the flows. */
  readonly weight: number;
  readonly onlink: boolean;
}

/** Which routes; an omitted field matches all. */
export interface RouteFilter {
  family?: Family | undefined;
  ifindex?: number | undefined;
  /** Default 254, the main table. */
  table?: number | "all" | undefined;
}

/** A route to be made. */
export interface RouteOptions {
  /** "10.2.0.0/16", "10.2.0.5" (one address), "fd00::/64", or "default". */
  destination: string;
  /** Of "default" without a gateway. Default "inet". */
  family?: Family | undefined;
  /** Of the same family, or IPv6 for an IPv4 destination. */
  gateway?: string | undefined;
  ifindex: number;
  /** IPv4 only. Default "global" with a gateway, "link" without, "host" for type "local". */
  scope?: Scope | undefined;
  /** The gateway counts as on the interface's network, without a check of the addresses. */
  onlink?: boolean | undefined;
  /** The address the host's own packets get as source; it must be one of the host's. */
  source?: string | undefined;
  /** Default 0; the kernel makes it 1024 for IPv6. */
  metric?: number | undefined;
  /** Default 254, the main table. */
  table?: number | undefined;
  /** Default "unicast". */
  type?: "unicast" | "local" | undefined;
  /** Its origin, a number or a name of `ip route`. Default "boot", like `ip`. */
  protocol?: string | number | undefined;
  /** "replace" takes the place of a route to the same destination with the same metric. Default "create". */
  mode?: "create" | "replace" | undefined;
}

/** What to delete: the first route that matches everything given. */
export type RouteKey = Pick<
  RouteOptions,
  "destination" | "family" | "gateway" | "scope" | "source" | "metric" | "table" | "type" | "protocol"
> & { ifindex?: number | undefined };

/** The source address and interface to look the route up for. */
export interface RouteLookup {
  /** As if the packet had this source address. */
  source?: string | undefined;
  /** As if the socket were bound to this interface. */
  ifindex?: number | undefined;
}

const { RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE } = RtnlType;
const { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } = MessageFlag;

const TABLE_MAIN = 254;
const MAX_U32 = 0xffff_ffff;

export function listRoutes(connection: Connection, filter: RouteFilter): Route[] {
  const op = "list routes";
  const oif = filter.ifindex === undefined ? undefined : checkIndex(filter.ifindex, op);
  const table = filter.table === "all" ? undefined : checkTable(filter.table ?? TABLE_MAIN, op);
  const families: Family[] = filter.family === undefined ? ["inet", "inet6"] : [filter.family];
  return families.flatMap((family) => {
    const payload = routeMessage.build({ rtm_family: familyNumber[family] }, { RTA_OIF: oif, RTA_TABLE: table });
    try {
      // A kernel without the family answers with all of them.
      return connection
        .dump({ type: RTM_GETROUTE, payload }, op)
        .flatMap(readRoute)
        .filter((route) => route.family === family);
    } catch (error) {
      // No such table, no such interface: no routes.
      const none: number[] = [Errno.ENOENT, Errno.ENODEV];
      if (error instanceof NetlinkError && none.includes(error.errno)) return [];
      throw error;
    }
  });
}

export function addRoute(connection: Connection, options: RouteOptions): void {
  const { mode = "create", destination, ifindex } = options;
  const verb = checkWord(mode, ["create", "replace"], "a mode", `add route ${destination}`);
  const op = `${verb === "create" ? "add" : "replace"} route ${destination}`;
  const type = checkWord(options.type ?? "unicast", ["unicast", "local"], "a type of route to add", op);
  const defaultScope = type === "local" ? "host" : options.gateway === undefined ? "link" : "global";
  const payload = request(options, op, {
    type,
    // IPv6 has no scopes of routes.
    scope: (family) => (family === "inet6" ? "global" : defaultScope),
    protocol: "boot",
    ifindex: checkIndex(ifindex, op),
  });
  const flags = NLM_F_CREATE | (verb === "create" ? NLM_F_EXCL : NLM_F_REPLACE);
  connection.change({ type: RTM_NEWROUTE, flags, payload }, () => `${op} to ${linkName(connection, ifindex)}`);
}

export function deleteRoute(connection: Connection, key: RouteKey): boolean {
  const op = `delete route ${key.destination}`;
  const ifindex = key.ifindex === undefined ? undefined : checkIndex(key.ifindex, op);
  // For a deletion "nowhere" is any scope, and "unspec" any type and protocol.
  const payload = request(key, op, { type: key.type ?? "unspec", scope: () => "nowhere", protocol: "unspec", ifindex });
  try {
    connection.change({ type: RTM_DELROUTE, payload }, () =>
      ifindex === undefined ? op : `${op} from ${linkName(connection, ifindex)}`,
    );
    return true;
  } catch (error) {
    const gone: number[] = [Errno.ESRCH, Errno.ENODEV, Errno.ENOENT];
    if (error instanceof NetlinkError && gone.includes(error.errno)) return false;
    throw error;
  }
}

export function getRoute(connection: Connection, destination: string, lookup: RouteLookup): Route | undefined {
  const op = `look up the route to ${destination}`;
  const { family, address } = checkIp(destination, op);
  const source = lookup.source === undefined ? undefined : checkIp(lookup.source, op);
  if (source !== undefined && source.family !== family) throw mismatch(op, "source", source.address);
  const payload = routeMessage.build(
    {
      rtm_family: familyNumber[family],
      rtm_dst_len: addressBits[family],
      rtm_src_len: source === undefined ? 0 : addressBits[family],
      // Strict checking refuses the flag for IPv6, which tells the table anyway.
      rtm_flags: family === "inet" ? RouteFlag.RTM_F_LOOKUP_TABLE : 0,
    },
    {
      RTA_DST: address,
      RTA_SRC: source?.address,
      RTA_OIF: lookup.ifindex === undefined ? undefined : checkIndex(lookup.ifindex, op),
    },
  );
  try {
    return connection.get({ type: RTM_GETROUTE, payload }, op).flatMap(readRoute)[0];
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === Errno.ENETUNREACH) return undefined;
    throw error;
  }
}

/** The body of RTM_NEWROUTE and RTM_DELROUTE. */
function request(
  options: RouteKey & { onlink?: boolean | undefined },
  op: string,
  defaults: {
    type: RouteType;
    scope: (family: Family) => Scope;
    protocol: string;
    ifindex: number | undefined;
  },
): Uint8Array {
  const { family, address, prefix } = checkDestination(options, op);
  const gateway = options.gateway === undefined ? undefined : checkIp(options.gateway, op);
  const source = options.source === undefined ? undefined : checkIp(options.source, op);
  if (source !== undefined && source.family !== family) throw mismatch(op, "source", source.address);
  if (gateway?.family === "inet" && family === "inet6") throw mismatch(op, "gateway", gateway.address);
  if (options.onlink && gateway === undefined) {
    throw new DatapathError("BAD_USAGE", op, "onlink needs a gateway");
  }
  const via: Via | undefined =
    gateway === undefined || gateway.family === family
      ? undefined
      : { family: familyNumber[gateway.family], address: gateway.address };
  const table = checkTable(options.table ?? TABLE_MAIN, op);
  return routeMessage.build(
    {
      rtm_family: familyNumber[family],
      rtm_dst_len: prefix,
      rtm_table: table > 255 ? 0 : table,
      rtm_protocol: checkProtocol(options.protocol ?? defaults.protocol, op),
      rtm_scope: scopes.number(checkWord(options.scope ?? defaults.scope(family), scopes.all, "a scope", op)),
      rtm_type: routeTypes.number(checkWord(defaults.type, routeTypes.all, "a type of route", op)),
      rtm_flags: options.onlink ? RouteFlag.RTNH_F_ONLINK : 0,
    },
    {
      RTA_DST: prefix === 0 ? undefined : address,
      RTA_TABLE: table > 255 ? table : undefined,
      RTA_GATEWAY: via === undefined ? gateway?.address : undefined,
      RTA_VIA: via,
      RTA_OIF: defaults.ifindex,
      RTA_PREFSRC: source?.address,
      RTA_PRIORITY: options.metric === undefined ? undefined : checkInteger(options.metric, 0, MAX_U32, "a metric", op),
    },
  );
}

function checkDestination({ destination, family, gateway }: RouteKey, op: string): Network {
  if (destination !== "default") {
    const network = checkNetwork(destination, op);
    if (family !== undefined && family !== network.family) throw mismatch(op, "destination", destination);
    return network;
  }
  const chosen = family ?? (gateway === undefined ? "inet" : checkIp(gateway, op).family);
  return { family: chosen, address: chosen === "inet" ? "0.0.0.0" : "::", prefix: 0 };
}

function checkTable(table: number, op: string): number {
  return checkInteger(table, 1, MAX_U32, "a routing table", op);
}

function checkProtocol(protocol: string | number, op: string): number {
  if (typeof protocol === "number") return checkInteger(protocol, 0, 255, "a routing protocol", op);
  if (routeProtocols.has(protocol)) return routeProtocols.number(protocol);
  const known = routeProtocols.all.join(", ");
  throw new DatapathError(
    "BAD_USAGE",
    op,
    `${JSON.stringify(protocol)} is not a routing protocol: a number, or ${known}`,
  );
}

function mismatch(op: string, what: string, address: string): DatapathError {
  return new DatapathError("BAD_USAGE", op, `the ${what} ${address} is of the other address family`);
}

export function readRoute(frame: Frame): Route[] {
  if (frame.type !== RTM_NEWROUTE) return [];
  const { header, attributes } = routeMessage.read(frame.payload);
  const values = routeAttributes.values(attributes);
  const family = familyName(header.rtm_family);
  if (family === undefined) return [];
  const any = family === "inet" ? "0.0.0.0" : "::";
  const destination = header.rtm_dst_len === 0 ? "default" : `${values.RTA_DST ?? any}/${header.rtm_dst_len}`;
  return [
    {
      family,
      destination,
      gateway: values.RTA_GATEWAY ?? values.RTA_VIA?.address,
      ifindex: values.RTA_OIF,
      type: routeTypes.name(header.rtm_type),
      scope: scopes.name(header.rtm_scope),
      onlink: (header.rtm_flags & RouteFlag.RTNH_F_ONLINK) !== 0,
      source: values.RTA_PREFSRC,
      metric: values.RTA_PRIORITY ?? 0,
      table: values.RTA_TABLE ?? header.rtm_table,
      protocol: routeProtocols.name(header.rtm_protocol),
      flags: header.rtm_flags,
      nextHops: (values.RTA_MULTIPATH ?? []).map(readNextHop),
    },
  ];
}

function readNextHop({ flags, hops, ifindex, attributes }: NextHopEntry): NextHop {
  const values = nextHopAttributes.values(attributes);
  return {
    gateway: values.RTA_GATEWAY ?? values.RTA_VIA?.address,
    ifindex,
    weight: hops + 1,
    onlink: (flags & RouteFlag.RTNH_F_ONLINK) !== 0,
  };
}
