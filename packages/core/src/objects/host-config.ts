import type { DpConfig } from "@dp/bpf";
import { DatapathError } from "@dp/sys";

/** What differs per host. */
export interface HostConfig {
  /** Default for servers added without an address. */
  publicAddress: string;
  /** ifindex of the interface that has it. */
  uplink: number;
  /** Host peers' addresses: "10.1.0.0/16". The proxy's answers come from these. */
  hostSubnet: string;
  /** Containers' addresses: "10.2.0.0/16". */
  containerSubnet: string;
  /** What `--port auto` takes from, both ends included. */
  portRange: readonly [first: number, last: number];
  /** The proxy's listeners, on each host peer's address. */
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
}

/** What the entry holds that is not the host's to say. */
export type StoredConfig = Pick<DpConfig, "hostOctets" | "playerKey" | "playersFrom" | "heldUntil">;

/** What else the entry holds is kept; the secret is made the first time. */
export function encodeConfig(config: HostConfig, stored: StoredConfig): DpConfig {
  const host = parseSubnet(config.hostSubnet);
  const container = parseSubnet(config.containerSubnet);
  const [portFirst, portLast] = config.portRange;
  if (portFirst > portLast) {
    throw new DatapathError("BAD_USAGE", OP, `the port range ${portFirst}-${portLast} ends before it begins`);
  }
  return {
    httpPort: config.httpPort,
    dnsPort: config.dnsPort,
    tcpPort: config.tcpPort,
    hostSubnet: host.address,
    hostMask: host.mask,
    containerSubnet: container.address,
    containerMask: container.mask,
    portFirst,
    portLast,
    publicAddr: config.publicAddress,
    uplink: config.uplink,
    hostOctets: stored.hostOctets,
    playersFrom: stored.playersFrom,
    heldUntil: stored.heldUntil,
    playerKey: stored.playerKey === 0n ? randomKey() | 1n : stored.playerKey,
  };
}

/** undefined for the zeroes the map starts with, and for {@link withoutConfig}. */
export function decodeConfig(data: DpConfig): HostConfig | undefined {
  if (data.hostMask === "0.0.0.0") return undefined;
  return {
    publicAddress: data.publicAddr,
    uplink: data.uplink,
    hostSubnet: `${data.hostSubnet}/${prefixOf(data.hostMask)}`,
    containerSubnet: `${data.containerSubnet}/${prefixOf(data.containerMask)}`,
    portRange: [data.portFirst, data.portLast],
    httpPort: data.httpPort,
    dnsPort: data.dnsPort,
    tcpPort: data.tcpPort,
  };
}

/** What reads as none; see {@link decodeConfig}. */
export function withoutConfig(stored: DpConfig): DpConfig {
  return { ...stored, hostMask: "0.0.0.0" };
}

const OP = "set the host's configuration";

function parseSubnet(subnet: string): { address: string; mask: string } {
  const [, address, length] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(subnet) ?? [];
  const prefix = Number(length);
  if (address === undefined || prefix < 1 || prefix > 32) {
    throw new DatapathError("BAD_USAGE", OP, `${JSON.stringify(subnet)} is no subnet like 10.1.0.0/16`);
  }
  const bits = numberOf(address);
  const mask = (0xffffffff << (32 - prefix)) >>> 0;
  if ((bits & ~mask) !== 0) {
    const hint = `did you mean ${dotted((bits & mask) >>> 0)}/${prefix}?`;
    throw new DatapathError("BAD_USAGE", OP, `${subnet} has bits set behind its prefix`, { hint });
  }
  return { address, mask: dotted(mask) };
}

function prefixOf(mask: string): number {
  return 32 - Math.log2(2 ** 32 - numberOf(mask));
}

function numberOf(address: string): number {
  return address.split(".").reduce((bits, octet) => bits * 256 + Number(octet), 0);
}

function dotted(bits: number): string {
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join(".");
}

function randomKey(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}
