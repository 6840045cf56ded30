/** The subnets that containers and host peers get their addresses from. */
import type { HostConfig } from "@dp/core";
import { DatapathError, formatAddress, parseAddress, Prefix } from "@dp/sys";

/** Parses "10.1.0.0/16". Throws `DatapathError` BAD_USAGE for any other text. */
export function parseSubnet(text: string, op: string): Prefix {
  const subnet = Prefix.parse(text, op);
  if (subnet.family === "ipv4" && text.includes("/")) return subnet;
  throw new DatapathError("BAD_USAGE", op, `${JSON.stringify(text)} is not an IPv4 subnet like 10.1.0.0/16`);
}

/** The IPv4 subnets of gateways and of containers. */
export function ipv4Subnets({ hostSubnets, containerSubnets }: Pick<HostConfig, "hostSubnets" | "containerSubnets">): {
  host: Prefix;
  container: Prefix;
} {
  const parse = (text = "0.0.0.0/32") => parseSubnet(text, "read the host's configuration");
  return { host: parse(hostSubnets.ipv4), container: parse(containerSubnets.ipv4) };
}

/** The address at a position: 0 is the network's own. */
export function addressAt(subnet: Prefix, position: number): string {
  return formatAddress(subnet.at(position));
}

/** The position of an address; undefined when it is outside the subnet. */
export function positionIn(subnet: Prefix, address: string): number | undefined {
  const bytes = parseAddress(address);
  return bytes === undefined ? undefined : subnet.indexOf(bytes);
}

/**
 * Whether a container or host peer may have the address at this position: not the first, and not the broadcast address.
 */
export function isHostPosition(subnet: Prefix, position: number | undefined): position is number {
  return position !== undefined && position >= 1 && position < subnet.size - 1;
}
