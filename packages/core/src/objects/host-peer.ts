import { DatapathError } from "@dp/sys";

/** The interface through which a container is entered. */
export interface HostPeerEntry {
  /** IPv4, dotted. */
  containerAddress: string;
  /** ifindex of the host peer. */
  hostPeer: number;
}

/** A container's address as dp_host_peers has it: as a number, most significant octet first. */
export function encodeAddress(address: string): number {
  const octets = address.split(".").map(Number);
  if (octets.length === 4 && octets.every((octet) => Number.isInteger(octet) && octet >= 0 && octet <= 255)) {
    return octets.reduce((bits, octet) => bits * 256 + octet, 0);
  }
  throw new DatapathError("BAD_USAGE", "look up a host peer", `${JSON.stringify(address)} is not an IPv4 address`);
}

export function decodeAddress(bits: number): string {
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join(".");
}
