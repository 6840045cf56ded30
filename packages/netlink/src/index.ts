/**
 * rtnetlink: network interfaces, addresses, routes, neighbours and network namespaces of Linux.
 *
 * @module @dp/netlink
 */
export { DatapathError, type ErrorCode, SyscallError, UnsupportedError } from "@dp/sys";
export { Netlink } from "./netlink.ts";
export { Nftables, type PreroutingRule } from "./nftables.ts";
export { SockDiag, type SocketProtocol } from "./sock-diag.ts";
export { InterruptedDumpError, NetlinkError, type NetlinkErrorDetails } from "./error.ts";
export { type Namespace, openNamespace } from "./namespace.ts";
export { MalformedMessageError } from "./codec/malformed.ts";
export type { Family } from "./codec/family.ts";
export type { Address, AddressFilter, AddressOptions, Scope } from "./operations/address.ts";
export type { Filter, FilterQuery } from "./operations/filter.ts";
export type { Link, LinkChange, LinkQuery, LinkStats, VethEnd, VethOptions } from "./operations/link.ts";
export type { Neighbour, NeighbourFilter, NeighbourOptions, NeighbourState } from "./operations/neighbour.ts";
export type {
  NextHop,
  Route,
  RouteFilter,
  RouteKey,
  RouteLookup,
  RouteOptions,
  RouteType,
} from "./operations/route.ts";
export { Connection, type ConnectionOptions, type Describe, type Request } from "./connection.ts";
export type { NetlinkSocket, Protocol } from "./socket.ts";
export {
  type Change,
  type News,
  type NewsOptions,
  type Notification,
  Subscription,
  type SubscriptionOptions,
  type Topic,
} from "./subscription.ts";
