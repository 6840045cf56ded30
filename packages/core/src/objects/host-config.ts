import type { DpConfig } from "@dp/bpf";
import { DatapathError, formatAddress, formatIpv4, parseIpv4, Prefix } from "@dp/sys";

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

function parseSubnet(text: string): { address: string; mask: string } {
  const { family, address, length } = Prefix.parse(text, OP);
  if (family !== "ipv4" || length === 0 || !text.includes("/")) {
    throw new DatapathError("BAD_USAGE", OP, `${JSON.stringify(text)} is not an IPv4 subnet like 10.1.0.0/16`);
  }
  return { address: formatAddress(address), mask: formatIpv4((0xffffffff << (32 - length)) >>> 0) };
}

function prefixOf(mask: string): number {
  return 32 - Math.log2(2 ** 32 - (parseIpv4(mask) as number));
}

function randomKey(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}
