import type { HostConfig } from "@dp/core";
import { DatapathError, parseAddress, Prefix } from "@dp/sys";
import { parseSubnet } from "../allocate/subnet.ts";
import { serverLabels } from "../server/server-labels.ts";
import type { LoadInput } from "./input.ts";
import { OP } from "./options.ts";

/** Each server has one address of each subnet. A longer prefix has no room for a server. */
const LONGEST_PREFIX = 30;
const SHORTEST_PREFIX = 8;

/** Checks that servers can have addresses of these subnets, and that servers keep the addresses they have. */
export function checkSubnets({ hostSubnets, containerSubnets }: HostConfig, input: LoadInput): void {
  const host = parseSubnet(hostSubnets.ipv4 ?? "", OP);
  const container = parseSubnet(containerSubnets.ipv4 ?? "", OP);
  for (const subnet of [host, container]) {
    checkUse(subnet);
    checkSize(subnet);
  }
  if (host.overlaps(container)) {
    const reason = `the host subnet ${host.toString()} and the container subnet ${container.toString()} overlap`;
    throw new DatapathError("BAD_USAGE", undefined, reason);
  }
  checkHostNetworks([host, container], input);
  checkServers("the host subnet", hostSubnets.ipv4, input.old?.config.hostSubnets.ipv4, input);
  checkServers("the container subnet", containerSubnets.ipv4, input.old?.config.containerSubnets.ipv4, input);
}

/** "This network", loopback and multicast. */
const RESERVED_SUBNETS = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4"].map((text) => Prefix.parse(text, OP));

function checkUse(subnet: Prefix): void {
  const reserved = RESERVED_SUBNETS.find((each) => each.overlaps(subnet));
  if (reserved === undefined) return;
  const reason = `${reserved.toString()} is reserved and cannot be used for servers`;
  throw new DatapathError("BAD_USAGE", undefined, reason, {
    hint: "private networks are 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16",
  });
}

function checkSize(subnet: Prefix): void {
  if (subnet.length >= SHORTEST_PREFIX && subnet.length <= LONGEST_PREFIX) return;
  const reason = `the prefix of ${subnet.toString()} must be between /${SHORTEST_PREFIX} and /${LONGEST_PREFIX}`;
  throw new DatapathError("BAD_USAGE", undefined, reason);
}

function checkHostNetworks(subnets: readonly Prefix[], { addresses, host }: LoadInput): void {
  for (const { address, prefix, ifindex } of addresses) {
    const bytes = parseAddress(address);
    const network = bytes === undefined ? undefined : Prefix.of(bytes, prefix);
    const clash = network === undefined ? undefined : subnets.find((subnet) => subnet.overlaps(network));
    if (clash === undefined) continue;
    const name = host.link(ifindex)?.name ?? `interface ${ifindex}`;
    const reason = `${clash.toString()} overlaps the host's own network ${address}/${prefix} on ${name}`;
    throw new DatapathError("BAD_USAGE", undefined, reason, {
      hint: "choose others: dp load --host-subnet SUBNET --container-subnet SUBNET",
    });
  }
}

function checkServers(what: string, subnet: string | undefined, old: string | undefined, { records }: LoadInput): void {
  if (old === undefined || subnet === old || records.length === 0) return;
  const reason = `${what} cannot change from ${old} to ${subnet} under ${serverLabels(records)}`;
  throw new DatapathError("CONFLICT", undefined, reason, { hint: "delete them first: dp del-server --all" });
}
