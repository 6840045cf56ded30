import type { Interface } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import type { HostAddress } from "./host-addresses.ts";
import { looksLikeHostPeer } from "./veth-pair.ts";

/** ARPHRD_ETHER of linux/if_arp.h. */
const ETHERNET = 1;
/** IFF_LOOPBACK of linux/if.h. */
const LOOPBACK = 8;

export function toInterface({ index, name, mac }: Link): Interface {
  return { index, name, mac };
}

/** An interface that can be an uplink, by its name. */
export function findUplink(netlink: Netlink, name: string): Link {
  const link = netlink.link(name);
  if (link === undefined) {
    throw new DatapathError("BAD_USAGE", undefined, `there is no interface ${JSON.stringify(name)}`, {
      hint: `there are ${netlink
        .links()
        .filter((each) => each.type === ETHERNET && !looksLikeHostPeer(each))
        .map((each) => each.name)
        .join(", ")}`,
    });
  }
  if (link.type !== ETHERNET) {
    throw new DatapathError("BAD_USAGE", undefined, `${name} is not an Ethernet interface and cannot be an uplink`);
  }
  if (looksLikeHostPeer(link)) {
    throw new DatapathError("BAD_USAGE", undefined, `${name} is the host peer of a server and cannot be an uplink`);
  }
  return link;
}

/** The interfaces of the default route with the lowest metric, in the order the route has them. */
export function defaultUplinks(netlink: Netlink): { links: Link[]; source: string | undefined } {
  const routes = netlink
    .routes({ family: "inet" })
    .filter(({ destination, type }) => destination === "default" && type === "unicast")
    .sort((one, other) => one.metric - other.metric);
  const best = routes[0];
  const indexes = best === undefined ? [] : [best.ifindex ?? [], best.nextHops.map(({ ifindex }) => ifindex)].flat(2);
  const links = [...new Set(indexes)].flatMap((index) => netlink.link(index) ?? []);
  if (best === undefined || links.length === 0) {
    throw new DatapathError("FAILED", undefined, "the host has no default route, which the uplink is found by", {
      hint: "name the interface that players' packets arrive by: dp load --iface NAME",
    });
  }
  return { links: links.map((link) => findUplink(netlink, link.name)), source: best.source };
}

/** The default public address: the source address of the default route, or the first address of an uplink. */
export function defaultAddress(
  uplinks: readonly Link[],
  addresses: readonly HostAddress[],
  source: string | undefined,
): string {
  if (source !== undefined && addresses.some(({ address }) => address === source)) return source;
  for (const uplink of uplinks) {
    const own = addresses.find(({ ifindex, scope }) => ifindex === uplink.index && scope === "global");
    if (own !== undefined) return own.address;
  }
  throw new DatapathError("FAILED", undefined, `${uplinks.map(({ name }) => name).join(", ")} has no IPv4 address`, {
    hint: "give it one, or name the address players connect to: dp load --address IP",
  });
}

/**
 * The uplink for a public address: the interface that has it. An address on loopback or on a dummy interface (anycast,
 * routed to the host) belongs to the first uplink.
 *
 * @param uplinks the attached uplinks; the first one is that of new servers
 */
export function uplinkOf(
  address: string,
  uplinks: readonly Interface[],
  addresses: readonly HostAddress[],
  netlink: Netlink,
): Interface {
  const owners = addresses.filter((each) => each.address === address).map(({ ifindex }) => ifindex);
  if (owners.length === 0) {
    const own = addresses.map((each) => each.address).join(", ");
    throw new DatapathError("BAD_USAGE", undefined, `${address} is not an address of this host`, {
      hint: own === "" ? "it has no IPv4 address" : `its own are ${own}`,
    });
  }
  const uplink = uplinks.find(({ index }) => owners.includes(index));
  if (uplink !== undefined) return uplink;
  const owner = netlink.link(owners[0] as number);
  const main = uplinks[0];
  const anywhere = owner !== undefined && ((owner.flags & LOOPBACK) !== 0 || owner.kind === "dummy");
  if (main !== undefined && anywhere) return main;
  if (main === undefined && anywhere) {
    throw new DatapathError("FAILED", undefined, `there is no uplink for ${address}, which is on ${owner.name}`, {
      hint: "bring the uplink back, then dp load; or dp load --iface NAME",
    });
  }
  const name = owner?.name ?? `interface ${owners[0]}`;
  throw new DatapathError("BAD_USAGE", undefined, `${address} is on ${name}, which is not an uplink`, {
    hint: `make it an uplink: dp load ${uplinkOptions([...uplinks.map((each) => each.name), name])}`,
  });
}

/** The options of `dp load` for these uplinks. */
export function uplinkOptions(names: readonly string[]): string {
  return [...new Set(names)].map((name) => `--iface ${name}`).join(" ");
}
