import type { DpDnatTarget, DpPublicKey, DpSnatTarget } from "@dp/bpf";
import { NO_TRAFFIC } from "./counters.ts";

/** What players connect to. */
export interface PublicEndpoint {
  /** IPv4, dotted. */
  address: string;
  port: number;
}

/** Where dnat sends what arrives at a public endpoint. */
export interface DnatTarget {
  /** ifindex of the host peer. */
  hostPeer: number;
  /** IPv4, dotted. */
  containerAddress: string;
  gamePort: number;
  /** The container peer's. */
  containerMac: string;
}

/** What snat and arp know of the container behind a host peer. */
export interface SnatTarget {
  /** The only source address its packets may have. */
  containerAddress: string;
  /** Its gateway. */
  hostPeerAddress: string;
  /** What its players connected to, and what its replies come from. */
  publicAddress: string;
  publicPort: number;
  gamePort: number;
  /** ifindex replies leave by. */
  uplink: number;
  /** Servers of one group reach each other's game port; 0 for none. */
  group: number;
  /** The only source MAC its packets may have. */
  containerMac: string;
}

export function encodeEndpoint({ address, port }: PublicEndpoint): DpPublicKey {
  return { addr: address, port };
}

export function encodeDnatTarget(target: DnatTarget): DpDnatTarget {
  return {
    hostPeer: target.hostPeer,
    addr: target.containerAddress,
    port: target.gamePort,
    mac: target.containerMac,
    traffic: NO_TRAFFIC,
  };
}

export function decodeDnatTarget(target: DpDnatTarget): DnatTarget {
  return {
    hostPeer: target.hostPeer,
    containerAddress: target.addr,
    gamePort: target.port,
    containerMac: target.mac,
  };
}

export function encodeSnatTarget(target: SnatTarget): DpSnatTarget {
  return {
    addr: target.containerAddress,
    hostAddr: target.hostPeerAddress,
    publicAddr: target.publicAddress,
    publicPort: target.publicPort,
    gamePort: target.gamePort,
    uplink: target.uplink,
    group: target.group,
    mac: target.containerMac,
    traffic: NO_TRAFFIC,
  };
}

export function decodeSnatTarget(target: DpSnatTarget): SnatTarget {
  return {
    containerAddress: target.addr,
    hostPeerAddress: target.hostAddr,
    publicAddress: target.publicAddr,
    publicPort: target.publicPort,
    gamePort: target.gamePort,
    uplink: target.uplink,
    group: target.group,
    containerMac: target.mac,
  };
}
