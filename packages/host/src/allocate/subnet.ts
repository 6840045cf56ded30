import type { HostConfig } from "@dp/core";
import { DatapathError, formatIpv4, parseIpv4 } from "@dp/sys";

/** A range of IPv4 addresses that share a prefix. */
export class Subnet {
  /** The network's own address, as a number. */
  readonly base: number;
  /** 0 to 32. */
  readonly prefix: number;

  constructor(base: number, prefix: number) {
    const mask = prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0;
    this.base = (base & mask) >>> 0;
    this.prefix = prefix;
  }

  /**
   * Parses "10.1.0.0/16".
   *
   * @throws DatapathError `BAD_USAGE` when it is none, or has bits set behind its prefix
   */
  static parse(text: string, op: string): Subnet {
    const [, address = "", length] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
    const bits = parseIpv4(address);
    const prefix = Number(length);
    if (bits === undefined || !(prefix <= 32)) {
      throw new DatapathError("BAD_USAGE", op, `${JSON.stringify(text)} is not an IPv4 subnet like 10.1.0.0/16`);
    }
    const subnet = new Subnet(bits, prefix);
    if (subnet.base !== bits) {
      throw new DatapathError("BAD_USAGE", op, `${text} has bits set behind its prefix`, {
        hint: `did you mean ${subnet.toString()}?`,
      });
    }
    return subnet;
  }

  /** How many addresses it has, the network's own and the broadcast address included. */
  get size(): number {
    return 2 ** (32 - this.prefix);
  }

  /** The address at `index`, dotted: 0 is the network's own. */
  at(index: number): string {
    return formatIpv4(this.base + index);
  }

  /** The index of a dotted address; undefined when it is outside. */
  indexOf(address: string): number | undefined {
    const bits = parseIpv4(address);
    if (bits === undefined || bits < this.base || bits >= this.base + this.size) return undefined;
    return bits - this.base;
  }

  overlaps(other: Subnet): boolean {
    return this.base < other.base + other.size && other.base < this.base + this.size;
  }

  toString(): string {
    return `${formatIpv4(this.base)}/${this.prefix}`;
  }
}

/** The IPv4 subnets of gateways and of containers. */
export function ipv4Subnets({ hostSubnets, containerSubnets }: Pick<HostConfig, "hostSubnets" | "containerSubnets">): {
  host: Subnet;
  container: Subnet;
} {
  const parse = (text = "0.0.0.0/32") => Subnet.parse(text, "read the host's configuration");
  return { host: parse(hostSubnets.ipv4), container: parse(containerSubnets.ipv4) };
}
