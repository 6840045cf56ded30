import { type DpNetData, DpServerState, dpServerStateNames, type DpVethPeer } from "@dp/bpf";
import type { VethPair, VethPeer } from "./interface.ts";

/** A server's veth pair and port. */
export interface NetData {
  veth: VethPair;
  hostPort: number;
}

/** `pending`: being added or removed. `frozen`: held for a checkpoint. */
export type ServerState = "pending" | "active" | "frozen";

/** All that is known of a server. It lives in a kernel map: there is no file beside it. */
export interface ServerRecord extends NetData {
  state: ServerState;
  /** What players connect to, with `hostPort`. */
  publicAddress: string;
  /** Where the server listens, inside its container. */
  gamePort: number;
  /** ifindex of the interface its replies leave by. */
  uplink: number;
  /** Kept in milliseconds. */
  createdAt: Date;
  /** Of the container's network namespace: never given out twice while the host is up. */
  netnsCookie: bigint;
  netnsInode: bigint;
  /** At most 63 bytes of UTF-8. */
  name: string;
  /** At most 63 bytes of UTF-8; "" for none. */
  group: string;
  /** The namespace as it was given, for people; at most 127 bytes. */
  netns: string;
  /** Its entry in ip_local_reserved_ports was made for it, and goes with it. */
  portReserved: boolean;
  /** What it was given, of both ends of the veth pair. undefined: the uplink's, also when that changes. */
  mtu: number | undefined;
}

const NANOSECONDS = 1_000_000n;

export function encodeRecord(record: ServerRecord): DpNetData {
  return {
    state: DpServerState[record.state],
    publicAddr: record.publicAddress,
    hostPort: record.hostPort,
    gamePort: record.gamePort,
    uplink: record.uplink,
    createdAt: BigInt(record.createdAt.getTime()) * NANOSECONDS,
    netnsCookie: record.netnsCookie,
    netnsInode: record.netnsInode,
    hostPeer: encodePeer(record.veth.hostPeer),
    containerPeer: encodePeer(record.veth.podPeer),
    name: record.name,
    group: record.group,
    netns: record.netns,
    portReserved: record.portReserved ? 1 : 0,
    mtu: record.mtu ?? 0,
  };
}

export function decodeRecord(data: DpNetData): ServerRecord {
  return {
    state: decodeState(data.state),
    publicAddress: data.publicAddr,
    hostPort: data.hostPort,
    gamePort: data.gamePort,
    uplink: data.uplink,
    createdAt: new Date(Number(data.createdAt / NANOSECONDS)),
    netnsCookie: data.netnsCookie,
    netnsInode: data.netnsInode,
    veth: { hostPeer: decodePeer(data.hostPeer), podPeer: decodePeer(data.containerPeer) },
    name: data.name,
    group: data.group,
    netns: data.netns,
    portReserved: data.portReserved !== 0,
    mtu: data.mtu === 0 ? undefined : data.mtu,
  };
}

/** A state of a newer build reads as pending: somebody was in the middle of something, and has to be asked. */
function decodeState(state: number): ServerState {
  const name = dpServerStateNames[state];
  return name === undefined || name === "none" ? "pending" : name;
}

function encodePeer({ iface, addr }: VethPeer): DpVethPeer {
  return { ifindex: iface.index, addr, mac: iface.mac, name: iface.name };
}

function decodePeer(peer: DpVethPeer): VethPeer {
  return { iface: { index: peer.ifindex, name: peer.name, mac: peer.mac }, addr: peer.addr };
}
