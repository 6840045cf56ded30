import { DatapathError, parseIpv4 } from "@dp/sys";

/** The interface through which a container is entered. */
export interface HostPeerEntry {
  /** IPv4, dotted. */
  containerAddress: string;
  /** ifindex of the host peer. */
  hostPeer: number;
}

/** A container's address as dp_host_peers has it: as a number, most significant octet first. */
export function encodeAddress(address: string): number {
  const bits = parseIpv4(address);
  if (bits !== undefined) return bits;
  throw new DatapathError("BAD_USAGE", "look up a host peer", `${JSON.stringify(address)} is not an IPv4 address`);
}

export { formatIpv4 as decodeAddress } from "@dp/sys";
