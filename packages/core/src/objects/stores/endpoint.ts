/** Public endpoints, and what endpoints of all kinds are made of: protocols and address families. */
import { type DpEndpointKey, DpFamily } from "@dp/bpf";
import type { IpFamily } from "@dp/sys";

/** The protocol of a forward or a flow. */
export type Protocol = "tcp" | "udp";

/** The family of an address. */
export type Family = IpFamily;

/** All families, in the order of enum dp_family: an array by family has IPv4 first. */
export const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

/** A public endpoint: what players connect to. */
export interface Endpoint {
  protocol: Protocol;
  /** An address of the host, IPv4 or IPv6, in canonical text. */
  address: string;
  /** 1 to 65535. */
  port: number;
}

const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 };

/** The number that IP headers and map keys have for a protocol. */
export function protocolNumber(protocol: Protocol): number {
  return PROTOCOL_NUMBERS[protocol];
}

/** The protocol with a number that is in a map: the maps hold TCP and UDP only. */
export function protocolOf(number: number): Protocol {
  return number === PROTOCOL_NUMBERS.tcp ? "tcp" : "udp";
}

/**
 * The family of an address in text. The text is not checked: an invalid one is refused when it is encoded. Throws
 * nothing.
 */
export function familyOfAddress(address: string): Family {
  return address.includes(":") ? "ipv6" : "ipv4";
}

/** `203.0.113.10:25565/tcp`, `[2001:db8::10]:24454/udp`. Throws nothing. */
export function endpointText({ protocol, address, port }: Endpoint): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}/${protocol}`;
}

export function encodeEndpoint({ protocol, address, port }: Endpoint): DpEndpointKey {
  return { addr: address, port, protocol: protocolNumber(protocol), family: DpFamily[familyOfAddress(address)] };
}

export function decodeEndpoint({ protocol, addr, port }: DpEndpointKey): Endpoint {
  return { protocol: protocolOf(protocol), address: addr, port };
}
