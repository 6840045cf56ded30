import type { Objects, ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { during } from "./during.ts";
import type { HostOptions } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { withLoadedUnlocked } from "./pins/open.ts";
import { hasHostPeer } from "./server/present.ts";
import { checkSelector, describeSelector, requireServer, type ServerSelector } from "./server/select.ts";
import { type Server, type ServerDetails, toCount, toServer } from "./server/server.ts";

/** All servers, by id. Throws `DatapathError` `NOT_LOADED`. */
export async function list(options: HostOptions = {}): Promise<Server[]> {
  const op = "list servers";
  requirePrivileges(op);
  return withLoadedUnlocked(options, op, (objects) => {
    using netlink = Netlink.open();
    const uplinkName = namesOf(netlink);
    return objects.records.all().map((record) => toServer(record, hasHostPeer(objects, record, netlink), uplinkName));
  });
}

/**
 * One server with its traffic and drops. Throws `DatapathError` `NO_SUCH_SERVER`, `NOT_LOADED`; `BAD_USAGE` for a
 * selector that several servers match.
 */
export async function show(selector: ServerSelector, options: HostOptions = {}): Promise<ServerDetails> {
  const op = `show ${describeSelector(selector)}`;
  during(op, () => checkSelector(selector));
  requirePrivileges(op);
  return withLoadedUnlocked(options, op, (objects) => {
    const record = requireServer(objects, selector);
    using netlink = Netlink.open();
    return details(objects, record, netlink);
  });
}

function details(objects: Objects, record: ServerRecord, netlink: Netlink): ServerDetails {
  const server = toServer(record, hasHostPeer(objects, record, netlink), namesOf(netlink));
  const traffic = objects.counters.readMany(record.forwards.map(({ counter }) => counter));
  const forwards = server.forwards.map((forward, index) => {
    const counter = record.forwards[index]?.counter;
    const found = counter === undefined ? undefined : traffic.get(counter);
    return { ...forward, in: toCount(found?.in ?? NONE), out: toCount(found?.out ?? NONE) };
  });
  const drops = Object.entries(objects.drops.read(record.id) ?? {}).map(([reason, packets]) => [
    reason,
    Number(packets),
  ]);
  return { ...server, forwards, flows: objects.flows.count(record.id), drops: Object.fromEntries(drops) };
}

const NONE = { packets: 0n, bytes: 0n };

/** Names interfaces of the host. Each is read once. */
export function namesOf(netlink: Netlink): (ifindex: number) => string | undefined {
  const names = new Map<number, string | undefined>();
  return (ifindex) => {
    if (!names.has(ifindex)) names.set(ifindex, netlink.link(ifindex)?.name);
    return names.get(ifindex);
  };
}
