import type { Counters, ServerRecord, ServerState, VethPeer } from "@dp/core";
import type { Link } from "@dp/netlink";

/** One end of a server's veth pair. */
export interface ServerPeer {
  /** In the network namespace the interface is in. */
  ifindex: number;
  name: string;
  mac: string;
  /** IPv4, dotted. */
  address: string;
}

/** A Minecraft server behind this host. All of it can be written as JSON. */
export interface Server {
  /** The host port players connect to. */
  port: number;
  /** The public address players connect to. */
  address: string;
  name: string;
  /** null for none. */
  group: string | null;
  /** Where the server listens, inside its container. */
  gamePort: number;
  /** "pending": being added or removed. "gone": its container, and with it the veth pair, is no longer there. */
  state: ServerState | "gone";
  /** ISO 8601, UTC. */
  createdAt: string;
  /** The network namespace, by the path it was given by. */
  netns: string;
  containerAddress: string;
  hostPeer: ServerPeer;
  containerPeer: ServerPeer;
}

/** A server with what its packets came to since it was added. */
export interface ServerDetails extends Server {
  /** Connections and UDP flows the container has open through the proxy, those just closed included. */
  flows: number;
  counters: ServerCounters;
}

/** What a server's packets came to. */
export interface ServerCounters {
  /** From players to the container. */
  in: { packets: number; bytes: number };
  /** From the container to players. */
  out: { packets: number; bytes: number };
  /** Packets of the container that were dropped, for every reason there is. */
  drops: Record<string, number>;
}

/** @param hostPeer its own interface, if that is still there: see presentHostPeer */
export function toServer(record: ServerRecord, hostPeer: Link | undefined): Server {
  const { hostPeer: host, podPeer: container } = record.veth;
  return {
    port: record.hostPort,
    address: record.publicAddress,
    name: record.name,
    group: record.group === "" ? null : record.group,
    gamePort: record.gamePort,
    state: record.state === "pending" || hostPeer !== undefined ? record.state : "gone",
    createdAt: record.createdAt.toISOString(),
    netns: record.netns,
    containerAddress: container.addr,
    hostPeer: toPeer(host),
    containerPeer: toPeer(container),
  };
}

function toPeer({ iface, addr }: VethPeer): ServerPeer {
  return { ifindex: iface.index, name: iface.name, mac: iface.mac, address: addr };
}

/**
 * Whether an interface looks as a server's host peer was made: proof enough to delete it by. One that somebody gave
 * another name or MAC is the server's all the same: see presentHostPeer.
 */
export function isHostPeer(link: Link | undefined, record: ServerRecord): link is Link {
  const { iface } = record.veth.hostPeer;
  if (link === undefined || link.index !== iface.index || link.kind !== "veth") return false;
  // All host peers have the same MAC.
  return link.mac === iface.mac && link.name === iface.name;
}

/** JSON has no 64-bit numbers: beyond 2^53 (8 PiB) the last digits are approximate. */
export function toCounters(counters: Counters): ServerCounters {
  const { in: received, out: sent, drops } = counters;
  return {
    in: { packets: Number(received.packets), bytes: Number(received.bytes) },
    out: { packets: Number(sent.packets), bytes: Number(sent.bytes) },
    drops: Object.fromEntries(Object.entries(drops).map(([reason, packets]) => [reason, Number(packets)])),
  };
}

/** The name of a server's connection blocks: by it they are found when its cgroup is gone. */
export function blockName({ veth }: Pick<ServerRecord, "veth">): string {
  return veth.hostPeer.iface.name;
}

/** "25570 (lobby)", for messages. */
export function label({ hostPort, name }: Pick<ServerRecord, "hostPort" | "name">): string {
  return `server ${hostPort} (${name})`;
}

/** "servers 25570 (lobby), 25571 (games) and 12 more" */
export function labels(records: readonly Pick<ServerRecord, "hostPort" | "name">[]): string {
  const SHOWN = 8;
  const names = records.slice(0, SHOWN).map(({ hostPort, name }) => `${hostPort} (${name})`);
  const more = records.length > SHOWN ? ` and ${records.length - SHOWN} more` : "";
  return `server${records.length === 1 ? "" : "s"} ${names.join(", ")}${more}`;
}
