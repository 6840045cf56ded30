import { type DpConfig, DpFamily, type DpSubnet } from "@dp/bpf";
import { DatapathError, formatAddress, formatIpv6, parseAddress, parseIpv6, Prefix } from "@dp/sys";
import type { BpfMap } from "../../libbpf/map.ts";
import { FAMILIES, type Family } from "./endpoint.ts";

/** A subnet of each family that is used, like `10.1.0.0/16` and `fd00:1::/64`. */
export type Subnets = Readonly<Partial<Record<Family, string>>>;

/** The host's configuration. */
export interface HostConfig {
  /** Host peers' addresses, which are the containers' gateways. The proxy's answers come from these. */
  hostSubnets: Subnets;
  /** Containers' addresses. */
  containerSubnets: Subnets;
  /** The proxy's listeners, on each gateway address. */
  httpPort: number;
  dnsPort: number;
  tcpPort: number;
}

const OP = "set the host's configuration";

/** The host's configuration as the programs read it (dp_configs). What the kernel refuses throws `SyscallError`. */
export class Config {
  readonly #map: BpfMap<number, DpConfig>;

  constructor(map: BpfMap<number, DpConfig>) {
    this.#map = map;
  }

  /** undefined before it was set for the first time, and after {@link clear}. */
  get(): HostConfig | undefined {
    return decodeConfig(this.#stored());
  }

  /**
   * Takes effect with the next packet. Throws `DatapathError` BAD_USAGE for an invalid subnet, and without a host
   * subnet.
   */
  set(config: HostConfig): void {
    this.#map.set(0, encodeConfig(config, this.#stored()));
  }

  /** Marks the datapath as being unloaded: {@link get} then returns undefined. */
  clear(): void {
    this.#map.set(0, { ...this.#stored(), hostSubnets: FAMILIES.map(() => NO_SUBNET) });
  }

  /** Internal: the filter in front of the host's addresses; see {@link HostAddresses}. */
  setHostFilter(hostFilter: readonly bigint[]): void {
    this.#map.set(0, { ...this.#stored(), hostFilter });
  }

  #stored(): DpConfig {
    const data = this.#map.get(0);
    // An array map has all its entries from the start.
    if (data === undefined) throw new DatapathError("FAILED", "read the host's configuration", "the map has no entry");
    return data;
  }
}

/** Keeps the other fields of the entry. Creates the secret of the player tables the first time. */
export function encodeConfig(config: HostConfig, stored: DpConfig): DpConfig {
  if (FAMILIES.every((family) => config.hostSubnets[family] === undefined)) {
    throw new DatapathError("BAD_USAGE", OP, "there is no host subnet");
  }
  return {
    ...stored,
    httpPort: config.httpPort,
    dnsPort: config.dnsPort,
    tcpPort: config.tcpPort,
    playerKey: stored.playerKey === 0n ? randomKey() | 1n : stored.playerKey,
    hostSubnets: encodeSubnets(config.hostSubnets),
    containerSubnets: encodeSubnets(config.containerSubnets),
  };
}

export function decodeConfig(data: DpConfig): HostConfig | undefined {
  const hostSubnets = decodeSubnets(data.hostSubnets);
  if (Object.keys(hostSubnets).length === 0) return undefined;
  return {
    hostSubnets,
    containerSubnets: decodeSubnets(data.containerSubnets),
    httpPort: data.httpPort,
    dnsPort: data.dnsPort,
    tcpPort: data.tcpPort,
  };
}

/** A mask of zeroes: the family is not used. */
const NO_SUBNET: DpSubnet = { addr: "", mask: "" };

/** The bits before the IPv4 address in ::ffff:a.b.c.d. */
const MAPPED_BITS = 96;

function encodeSubnets(subnets: Subnets): DpSubnet[] {
  return FAMILIES.map((family) => {
    const text = subnets[family];
    if (text === undefined) return NO_SUBNET;
    const prefix = Prefix.parse(text, OP);
    if (prefix.family !== family || prefix.length === 0) {
      throw new DatapathError("BAD_USAGE", OP, `${text} is not an ${NAMES[family]} subnet`);
    }
    const bits = prefix.length + (family === "ipv4" ? MAPPED_BITS : 0);
    const mask = Uint8Array.from({ length: 16 }, (_, at) => (0xff00 >> Math.min(8, Math.max(0, bits - at * 8))) & 0xff);
    return { addr: formatAddress(prefix.address), mask: formatIpv6(mask) };
  });
}

const NAMES: Readonly<Record<Family, string>> = { ipv4: "IPv4", ipv6: "IPv6" };

function decodeSubnets(subnets: readonly DpSubnet[]): Subnets {
  const decoded: Partial<Record<Family, string>> = {};
  for (const family of FAMILIES) {
    const { addr, mask } = subnets[DpFamily[family]] ?? NO_SUBNET;
    const [address, bytes] = [parseAddress(addr === "" ? "::" : addr), parseIpv6(mask)];
    if (address === undefined || bytes === undefined) continue;
    const ones = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    decoded[family] = `${Prefix.of(address, ones - (family === "ipv4" ? MAPPED_BITS : 0)).toString()}`;
  }
  return decoded;
}

function randomKey(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}
