import { Netlink } from "@dp/netlink";
import type { HostOptions } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { withLoadedUnlocked } from "./pins/open.ts";
import { findHostPeer, presentHostPeer } from "./server/present.ts";
import { checkSelector, describeSelector, requireServer, type ServerSelector } from "./server/select.ts";
import { type Server, type ServerCounters, type ServerDetails, toCounters, toServer } from "./server/server.ts";

/** All servers, by port. Throws `DatapathError` `NOT_LOADED`. */
export async function list(options: HostOptions = {}): Promise<Server[]> {
  const op = "list servers";
  requirePrivileges(op);
  return withLoadedUnlocked(options, op, (objects) => {
    using netlink = Netlink.open();
    const links = new Map(netlink.links().map((link) => [link.index, link]));
    return objects.netData().map((record) => {
      const link = links.get(record.veth.hostPeer.iface.index);
      return toServer(record, presentHostPeer(objects, record, link));
    });
  });
}

/**
 * One server with its counters. Throws `DatapathError` `NO_SUCH_SERVER`, `NOT_LOADED`; `BAD_USAGE` for a port of
 * several servers.
 */
export async function show(selector: ServerSelector, options: HostOptions = {}): Promise<ServerDetails> {
  const op = `show ${describeSelector(selector)}`;
  checkSelector(selector, op);
  requirePrivileges(op);
  return withLoadedUnlocked(options, op, (objects) => {
    const record = requireServer(objects, selector, op);
    using netlink = Netlink.open();
    const { index } = record.veth.hostPeer.iface;
    const counters = index === 0 ? undefined : objects.counters(index);
    return {
      ...toServer(record, findHostPeer(objects, record, netlink)),
      flows: objects.getVethPairEntry(record.veth.podPeer.addr)?.flows ?? 0,
      counters: counters === undefined ? NO_COUNTERS : toCounters(counters),
    };
  });
}

/** Of a server that is half added, or half removed. */
const NO_COUNTERS: ServerCounters = { in: { packets: 0, bytes: 0 }, out: { packets: 0, bytes: 0 }, drops: {} };
