import type { DpFlowKey, DpOrigin, DpOriginKey, DpVethPair } from "@dp/bpf";
import type { VethPair } from "./interface.ts";

/** What else the container-side program knows of a container. */
export interface VethPairOptions {
  /** Where the server listens: replies from it are not redirected. */
  gamePort: number;
  /** Servers of one group reach each other's game port; 0 for none. */
  group: number;
  /** Of the container's network namespace (`netnsCookie` of @dp/sys): nobody else opens flows under its address. */
  netnsCookie: bigint;
}

/** A container whose connections are redirected. */
export interface VethPairEntry extends VethPairOptions {
  containerAddress: string;
  /** The container peer's. */
  containerMac: string;
  /** ifindex of the host peer. */
  hostPeer: number;
  hostPeerAddress: string;
  /** How many connections and UDP flows it has. */
  flows: number;
}

/** Something a container opened, which the proxy carries on. */
export interface Flow {
  containerAddress: string;
  protocol: "tcp" | "udp";
  /** The container's port. */
  port: number;
  /** The container's port as the proxy sees it: another one when `port` was taken by a flow to somewhere else. */
  portAtProxy: number;
  /** Where it was going. */
  destination: { address: string; port: number };
  /** The port of the proxy that it goes to. */
  listener: number;
  /** When it is forgotten, in nanoseconds of CLOCK_MONOTONIC; undefined while the proxy's socket lives. */
  expires: bigint | undefined;
}

const TCP = 6;

export function encodeVethPair({ hostPeer, podPeer }: VethPair, options: VethPairOptions, flows: number): DpVethPair {
  return {
    hostPeer: hostPeer.iface.index,
    hostAddr: hostPeer.addr,
    gamePort: options.gamePort,
    group: options.group,
    mac: podPeer.iface.mac,
    flows,
    netnsCookie: options.netnsCookie,
  };
}

export function decodeVethPair(containerAddress: string, pair: DpVethPair): VethPairEntry {
  return {
    containerAddress,
    containerMac: pair.mac,
    hostPeer: pair.hostPeer,
    hostPeerAddress: pair.hostAddr,
    gamePort: pair.gamePort,
    group: pair.group,
    netnsCookie: pair.netnsCookie,
    flows: Math.max(0, pair.flows),
  };
}

export function decodeFlow(key: DpOriginKey, origin: DpOrigin): Flow {
  return {
    containerAddress: key.container,
    protocol: key.protocol === TCP ? "tcp" : "udp",
    port: origin.sport,
    portAtProxy: key.sport,
    destination: { address: origin.dst, port: origin.dport },
    listener: origin.listener,
    expires: origin.expires === 0n ? undefined : origin.expires,
  };
}

/** The other half of a flow: its key as the container sees it. */
export function flowKeyOf(key: DpOriginKey, origin: DpOrigin): DpFlowKey {
  return {
    container: key.container,
    dst: origin.dst,
    sport: origin.sport,
    dport: origin.dport,
    protocol: key.protocol,
  };
}
