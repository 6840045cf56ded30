import type { Addresses, ContainerRef, Forward, Peer, ServerRecord, ServerState, Traffic } from "@dp/core";
import { type DropReason, serverLabel } from "@dp/core";
import type { Link } from "@dp/netlink";

/** A forward of a server, with both its endpoints. */
export interface ServerForward {
  protocol: "tcp" | "udp";
  /** The public address. */
  address: string;
  /** The public port, or the first of a range. */
  port: number;
  /** The number of ports: 1 unless it is a range. */
  count: number;
  containerAddress: string;
  /** The container port, or the first of a range. */
  containerPort: number;
  /** The interface that players' packets arrive by; null when it is gone. */
  uplink: string | null;
  /** MTU of the way to players, in bytes. */
  mtu: number;
}

/** A server behind this host. All of it can be written as JSON. */
export interface Server {
  /** From 1. It never changes. */
  id: number;
  name: string;
  /** null for none. */
  group: string | null;
  /** "pending": being added or removed. "gone": its container, and with it the veth pair, is no longer there. */
  state: ServerState | "gone";
  /** ISO 8601, UTC. */
  createdAt: string;
  /** `cli`, `file:NAME` or `cni:NETWORK`. */
  owner: string;
  network: "own" | "keep";
  /** Added with `trusted`: its processes may be able to administer the host's network. */
  trusted: boolean;
  /** How the container was named; null for one that was named by its network namespace. */
  container: ContainerRef | null;
  /** The network namespace, by the path it was named by. */
  netns: string;
  forwards: ServerForward[];
  /** The container's address and its gateway, for each family it has. */
  addresses: Addresses;
  hostPeer: Peer;
  containerPeer: Peer;
}

/**
 * Packets and bytes of one direction. JSON has no 64-bit numbers: beyond 2^53 (8 PiB) the last digits are approximate.
 */
export interface TrafficCount {
  packets: number;
  bytes: number;
}

/** A forward with its traffic since it was added. */
export interface ForwardDetails extends ServerForward {
  /** From players to the container. */
  in: TrafficCount;
  /** From the container to players. */
  out: TrafficCount;
}

/** A server with its traffic and drops since it was added. */
export interface ServerDetails extends Server {
  forwards: ForwardDetails[];
  /** Connections and UDP flows the container has open through the proxy, those just closed included. */
  flows: number;
  /** Packets of the container that were dropped, for every drop reason there is. */
  drops: Record<DropReason, number>;
}

/**
 * @param connected whether the host peer is still there: see hasHostPeer
 * @param uplinkName names an interface; undefined when it is gone
 */
export function toServer(
  record: ServerRecord,
  connected: boolean,
  uplinkName: (ifindex: number) => string | undefined,
): Server {
  return {
    id: record.id,
    name: record.name,
    group: record.group === "" ? null : record.group,
    state: record.state === "pending" || connected ? record.state : "gone",
    createdAt: record.createdAt.toISOString(),
    owner: record.owner,
    network: record.network,
    trusted: record.trusted,
    container: record.container ?? null,
    netns: record.netns.path,
    forwards: record.forwards.map((forward) => toForward(record, forward, uplinkName)),
    addresses: record.addresses,
    hostPeer: record.hostPeer,
    containerPeer: record.containerPeer,
  };
}

function toForward(
  { addresses }: ServerRecord,
  { protocol, address, port, count, containerPort, uplink, mtu }: Forward,
  uplinkName: (ifindex: number) => string | undefined,
): ServerForward {
  const pair = address.includes(":") ? addresses.ipv6 : addresses.ipv4;
  const containerAddress = pair?.container ?? "";
  return { protocol, address, port, count, containerAddress, containerPort, uplink: uplinkName(uplink) ?? null, mtu };
}

export function toCount({ packets, bytes }: Traffic): TrafficCount {
  return { packets: Number(packets), bytes: Number(bytes) };
}

/**
 * Whether an interface looks as a server's host peer was made: proof enough to delete it by. One that got another name
 * or MAC since is the server's all the same: see presentHostPeer.
 */
export function isHostPeer(link: Link | undefined, { hostPeer }: ServerRecord): link is Link {
  if (link === undefined || link.index !== hostPeer.ifindex || link.kind !== "veth") return false;
  // All host peers have the same MAC.
  return link.mac === hostPeer.mac && link.name === hostPeer.name;
}

/** The name of a server's connection blocks: by it they are found when its cgroup is gone. */
export function blockName({ hostPeer }: Pick<ServerRecord, "hostPeer">): string {
  return hostPeer.name;
}

type Named = Pick<ServerRecord, "id" | "name">;

/** "server lobby (id 7), server games (id 8) and 12 more" */
export function serverLabels(records: readonly Named[]): string {
  const SHOWN = 8;
  const names = records.slice(0, SHOWN).map(serverLabel);
  return `${names.join(", ")}${records.length > SHOWN ? ` and ${records.length - SHOWN} more` : ""}`;
}
