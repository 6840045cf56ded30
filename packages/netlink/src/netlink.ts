import type { Fd } from "@dp/sys";
import { Connection, type ConnectionOptions } from "./connection.ts";
import {
  type Address,
  type AddressFilter,
  type AddressOptions,
  addAddress,
  deleteAddress,
  listAddresses,
} from "./operations/address.ts";
import { type Filter, type FilterQuery, listFilters } from "./operations/filter.ts";
import {
  createVeth,
  deleteLink,
  getLink,
  type Link,
  type LinkChange,
  type LinkQuery,
  listLinks,
  setLink,
  type VethOptions,
} from "./operations/link.ts";
import {
  deleteNeighbour,
  listNeighbours,
  type Neighbour,
  type NeighbourFilter,
  type NeighbourOptions,
  setNeighbour,
} from "./operations/neighbour.ts";
import {
  addRoute,
  deleteRoute,
  getRoute,
  listRoutes,
  type Route,
  type RouteFilter,
  type RouteKey,
  type RouteLookup,
  type RouteOptions,
} from "./operations/route.ts";

/**
 * The interfaces, addresses, routes and neighbours of one network namespace.
 *
 * Everything is synchronous. A missing object is no error: a look-up returns undefined, a deletion false, a
 * filter nothing. What the kernel refuses throws a {@link NetlinkError} with its own explanation; input that
 * cannot be right is a `DatapathError` with code `BAD_USAGE`, before anything is sent.
 *
 *     using netlink = Netlink.open();
 *     const uplink = netlink.link("eth0");
 */
export class Netlink implements Disposable {
  readonly #connection: Connection;

  /** Takes ownership of the connection. Most callers want {@link Netlink.open}. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Opens a netlink socket inside `netns`, or inside the calling thread's namespace. The descriptor is needed during
   * the call only. Throws `SyscallError`.
   */
  static open(options: { netns?: Fd | undefined; timeoutMs?: number | undefined } = {}): Netlink {
    return new Netlink(Connection.open(options satisfies ConnectionOptions));
  }

  /**
   * All interfaces, in the order of their indexes. If some keep coming and going while the list is read, it has every
   * interface that was there all the time, and none twice.
   */
  links(query: LinkQuery = {}): Link[] {
    return listLinks(this.#connection, query);
  }

  /** One interface by index, name or alternative name; undefined if there is none. */
  link(ref: number | string, query: LinkQuery = {}): Link | undefined {
    return getLink(this.#connection, ref, query);
  }

  /**
   * Makes a pair of connected Ethernet interfaces in one request: with both MAC addresses, which udev therefore leaves
   * alone, and the peer in its namespace from the beginning. Both are down.
   *
   * @throws NetlinkError `CONFLICT` if one of the names is taken; the message says which
   */
  createVeth(options: VethOptions): void {
    createVeth(this.#connection, options);
  }

  /**
   * Changes an interface. All of it is one request, yet the kernel does not undo the first part if a later one fails.
   */
  setLink(ref: number | string, change: LinkChange): void {
    setLink(this.#connection, ref, change);
  }

  /** Deletes an interface, of a veth pair both ends. False if there was none. */
  deleteLink(ref: number | string): boolean {
    return deleteLink(this.#connection, ref);
  }

  /** IP addresses, filtered by the kernel. Empty for an interface that does not exist. */
  addresses(filter: AddressFilter = {}): Address[] {
    return listAddresses(this.#connection, filter);
  }

  /** Adds an address to an interface. Throws `NetlinkError` `CONFLICT` if it has it. */
  addAddress(options: AddressOptions): void {
    addAddress(this.#connection, options);
  }

  /** Removes an address from an interface. False if the interface did not have it. */
  deleteAddress(options: Pick<AddressOptions, "ifindex" | "address" | "prefix">): boolean {
    return deleteAddress(this.#connection, options);
  }

  /** Routes of the main table, or of another; filtered by the kernel. */
  routes(filter: RouteFilter = {}): Route[] {
    return listRoutes(this.#connection, filter);
  }

  /** Adds a route, or replaces one. Throws `NetlinkError`, `CONFLICT` if it exists and was not to be replaced. */
  addRoute(options: RouteOptions): void {
    addRoute(this.#connection, options);
  }

  /** Deletes the first route that matches all that is given. False if there was none. */
  deleteRoute(key: RouteKey): boolean {
    return deleteRoute(this.#connection, key);
  }

  /**
   * The route the kernel would take to an address, all tables and rules considered; undefined if there is none. Other
   * refusals (a prohibiting or unreachable route) are a `NetlinkError`.
   */
  getRoute(destination: string, lookup: RouteLookup = {}): Route | undefined {
    return getRoute(this.#connection, destination, lookup);
  }

  /** Entries of the ARP and neighbour discovery tables, filtered by the kernel. */
  neighbours(filter: NeighbourFilter = {}): Neighbour[] {
    return listNeighbours(this.#connection, filter);
  }

  /** Sets an entry of the neighbour table, replacing what was known about the address. */
  setNeighbour(options: NeighbourOptions): void {
    setNeighbour(this.#connection, options);
  }

  /** Deletes an entry of the neighbour table. False if there was none. */
  deleteNeighbour(options: Pick<NeighbourOptions, "ifindex" | "address">): boolean {
    return deleteNeighbour(this.#connection, options);
  }

  /**
   * The filters on one side of an interface, in the order they run; of the chain they begin with and all others. Empty
   * without a clsact or ingress qdisc, and for an interface that does not exist.
   */
  filters(query: FilterQuery): Filter[] {
    return listFilters(this.#connection, query);
  }

  /** Closes the socket. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
