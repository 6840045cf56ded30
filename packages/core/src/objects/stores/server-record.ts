import {
  type DpAddressPair,
  DpFamily,
  DpNetwork,
  type DpRecord,
  type DpRecordForward,
  DpServerState,
  dpServerStateNames,
} from "@dp/bpf";
import { FAMILIES, type Family, familyOfAddress, protocolNumber, protocolOf } from "./endpoint.ts";
import type { Forward } from "./forward.ts";
import { decodeTime, encodeTime } from "./time.ts";

/** One end of a server's veth pair. */
export interface Peer {
  /** In the peer's own network namespace. */
  ifindex: number;
  /** Its name in that namespace. */
  name: string;
  /** `0a:58:00:00:00:07`. */
  mac: string;
}

/** The addresses of a server in one family, in canonical text. */
export interface AddressPair {
  /** The container peer's: the only source address the container may use. */
  container: string;
  /** The host peer's: the container's gateway. */
  gateway: string;
}

/** An address pair for each family that the server has. */
export type Addresses = Readonly<Partial<Record<Family, AddressPair>>>;

/** How a container was named when its server was added. */
export interface ContainerRef {
  /** `docker`, `podman`, ...; at most 15 bytes. */
  engine: string;
  /** The path of the engine's socket; "" for its default. At most 127 bytes. */
  socket: string;
  /** At most 127 bytes. */
  name: string;
}

/** `pending`: being added or removed. `frozen`: held for a checkpoint. */
export type ServerState = "pending" | "active" | "frozen";

/** `own`: dp made the container's network. `keep`: the container has a network, which dp does not change. */
export type NetworkMode = "own" | "keep";

/** What dp keeps of a server. It is only in a kernel map, not in a file. */
export interface ServerRecord {
  /** From 1. It never changes and identifies the server in every map. The host peer is named `dp<id>`. */
  id: number;
  /** At most 63 bytes of UTF-8. */
  name: string;
  /** At most 63 bytes of UTF-8; "" for none. */
  group: string;
  state: ServerState;
  /** Kept in milliseconds. */
  createdAt: Date;
  /** Who manages the server: `cli`, `file:NAME` or `cni:NETWORK`; at most 95 bytes. */
  owner: string;
  network: NetworkMode;
  /** Added although its processes could administer the host's network, or may become able to. */
  trusted: boolean;
  /** undefined for a server that was added by a network namespace. */
  container: ContainerRef | undefined;
  /** The container's network namespace. */
  netns: {
    /** Identifies the namespace as long as the host is up; 0 while the container is absent. */
    cookie: bigint;
    inode: bigint;
    /** The path it was named by, for people; at most 127 bytes. */
    path: string;
  };
  hostPeer: Peer;
  containerPeer: Peer;
  addresses: Addresses;
  /** At most 32. */
  forwards: readonly Forward[];
  /**
   * MTU of both peers in bytes, if the server was added with one. undefined: always the smallest of the forwards.
   */
  mtu: number | undefined;
}

/** `server lobby (id 7)`: how messages name a server. Throws nothing. */
export function serverLabel({ name, id }: Pick<ServerRecord, "name" | "id">): string {
  return `server ${name} (id ${id})`;
}

export function encodeRecord(record: ServerRecord): DpRecord {
  const { netns } = record;
  return {
    state: DpServerState[record.state],
    network: DpNetwork[record.network],
    trusted: Number(record.trusted),
    createdAt: encodeTime(record.createdAt),
    netnsCookie: netns.cookie,
    netnsInode: netns.inode,
    mtu: record.mtu ?? 0,
    hostPeer: record.hostPeer,
    containerPeer: record.containerPeer,
    addresses: FAMILIES.map((family) => record.addresses[family] ?? NO_ADDRESSES),
    name: record.name,
    group: record.group,
    owner: record.owner,
    netns: netns.path,
    container: record.container ?? NO_CONTAINER,
    forwards: record.forwards.map(encodeForward),
  };
}

export function decodeRecord(id: number, data: DpRecord): ServerRecord {
  return {
    id,
    name: data.name,
    group: data.group,
    state: decodeState(data.state),
    createdAt: decodeTime(data.createdAt),
    owner: data.owner,
    network: data.network === DpNetwork.keep ? "keep" : "own",
    trusted: data.trusted !== 0,
    container: data.container.engine === "" ? undefined : data.container,
    netns: { cookie: data.netnsCookie, inode: data.netnsInode, path: data.netns },
    hostPeer: data.hostPeer,
    containerPeer: data.containerPeer,
    addresses: decodeAddresses(data.addresses),
    forwards: data.forwards.map(decodeForward),
    mtu: data.mtu === 0 ? undefined : data.mtu,
  };
}

const NO_ADDRESSES: DpAddressPair = { container: "", gateway: "" };
const NO_CONTAINER: ContainerRef = { engine: "", socket: "", name: "" };

/** An unknown state, of a newer build, is read as pending. */
function decodeState(state: number): ServerState {
  const name = dpServerStateNames[state];
  return name === undefined || name === "none" ? "pending" : name;
}

function decodeAddresses(pairs: readonly DpAddressPair[]): Addresses {
  const addresses: Partial<Record<Family, AddressPair>> = {};
  for (const family of FAMILIES) {
    const pair = pairs[DpFamily[family]];
    if (pair !== undefined && (pair.container !== "" || pair.gateway !== "")) addresses[family] = pair;
  }
  return addresses;
}

function encodeForward(forward: Forward): DpRecordForward {
  return {
    publicAddr: forward.address,
    publicFirst: forward.port,
    count: forward.count,
    containerFirst: forward.containerPort,
    protocol: protocolNumber(forward.protocol),
    family: DpFamily[familyOfAddress(forward.address)],
    uplink: forward.uplink,
    mtu: forward.mtu,
    counter: forward.counter,
  };
}

function decodeForward(forward: DpRecordForward): Forward {
  return {
    protocol: protocolOf(forward.protocol),
    address: forward.publicAddr,
    port: forward.publicFirst,
    count: forward.count,
    containerPort: forward.containerFirst,
    uplink: forward.uplink,
    mtu: forward.mtu,
    counter: forward.counter,
  };
}
