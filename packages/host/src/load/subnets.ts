import type { HostConfig } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { Subnet } from "../allocate/subnet.ts";
import { labels } from "../server/server.ts";
import type { LoadInput } from "./input.ts";
import { OP } from "./options.ts";

/** Every server has one address of each subnet; below /30 there is room for none. */
const LONGEST_PREFIX = 30;

/** Whether servers can have addresses of these subnets: the ones there are must keep theirs. */
export function checkSubnets(config: HostConfig, input: LoadInput): void {
  const host = Subnet.parse(config.hostSubnet, OP);
  const container = Subnet.parse(config.containerSubnet, OP);
  for (const subnet of [host, container]) {
    checkUse(subnet);
    checkSize(subnet);
  }
  if (host.overlaps(container)) {
    throw new DatapathError(
      "BAD_USAGE",
      OP,
      `the host subnet ${config.hostSubnet} and the container subnet ${config.containerSubnet} overlap`,
    );
  }
  checkHostNetworks([host, container], input);
  checkServers(config, input);
}

/** "This network", loopback and multicast: nothing is sent there as to a computer. */
const NO_COMPUTERS = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4"].map((text) => Subnet.parse(text, OP));

function checkUse(subnet: Subnet): void {
  const useless = NO_COMPUTERS.find((each) => each.overlaps(subnet));
  if (useless === undefined) return;
  throw new DatapathError("BAD_USAGE", OP, `no computer can have an address of ${useless.toString()}`, {
    hint: "private networks are 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16",
  });
}

function checkSize(subnet: Subnet): void {
  if (subnet.prefix >= 8 && subnet.prefix <= LONGEST_PREFIX) return;
  throw new DatapathError("BAD_USAGE", OP, `${subnet.toString()} is no useful subnet: /8 to /${LONGEST_PREFIX} are`);
}

function checkHostNetworks(subnets: readonly Subnet[], { addresses, netlink }: LoadInput): void {
  for (const { address, prefix, ifindex } of addresses) {
    const network = Subnet.parse(`${address}/32`, OP);
    const whole = new Subnet(network.base, prefix);
    const clash = subnets.find((subnet) => subnet.overlaps(whole));
    if (clash === undefined) continue;
    const name = netlink.link(ifindex)?.name ?? `interface ${ifindex}`;
    throw new DatapathError(
      "BAD_USAGE",
      OP,
      `${clash.toString()} overlaps the host's own network ${address}/${prefix} on ${name}`,
      { hint: "choose others: dp load --host-subnet SUBNET --container-subnet SUBNET" },
    );
  }
}

function checkServers(config: HostConfig, { old, records }: LoadInput): void {
  if (old === undefined || records.length === 0) return;
  for (const key of ["hostSubnet", "containerSubnet"] as const) {
    if (config[key] === old[key]) continue;
    const what = key === "hostSubnet" ? "the host subnet" : "the container subnet";
    throw new DatapathError(
      "CONFLICT",
      OP,
      `${what} cannot change from ${old[key]} to ${config[key]} under ${labels(records)}`,
      { hint: "delete them first: dp del-server --all" },
    );
  }
}
