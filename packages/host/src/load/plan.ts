import type { HostConfig, Objects, ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { type HostAddress, hostAddresses } from "../interfaces/host-addresses.ts";
import { toInterface, uplinkOf } from "../interfaces/uplink.ts";
import { findHostPeer } from "../server/present.ts";
import { cgroupOf, chooseCgroup } from "./cgroup.ts";
import type { LoadInput } from "./input.ts";
import { type Move, planMoves } from "./moves.ts";
import { type LoadOptions, OP } from "./options.ts";
import { choosePublicAddress } from "./public-address.ts";
import { checkSubnets } from "./subnets.ts";
import { chooseUplinks } from "./uplinks.ts";

const DEFAULTS = {
  hostSubnet: "10.1.0.0/16",
  containerSubnet: "10.2.0.0/16",
  portRange: [25565, 30564],
  httpPort: 9080,
  dnsPort: 9053,
  tcpPort: 9111,
} as const;

/** Everything decided and checked, nothing changed. */
export interface LoadPlan {
  uplinks: readonly Link[];
  config: HostConfig;
  addresses: readonly HostAddress[];
  cgroup: string;
  /** The folder the previous ones are attached to, if there is one. */
  oldCgroup: string | undefined;
  /** Those whose host peer is still there. */
  present: readonly ServerRecord[];
  moved: readonly Move[];
  servers: number;
}

/**
 * Decides what is loaded how, and where it is attached.
 *
 * @throws DatapathError as `load`
 */
export function planLoad(netlink: Netlink, previous: Objects | undefined, options: LoadOptions): LoadPlan {
  const records = previous?.netData() ?? [];
  const old = previous?.config();
  const addresses = hostAddresses(netlink, records);
  const input: LoadInput = { netlink, previous, old, records, addresses, options };
  const { links: uplinks, source } = chooseUplinks(input);
  const interfaces = uplinks.map(toInterface);
  const publicAddress = choosePublicAddress(input, uplinks, source);
  const uplinkFor = (address: string) => uplinkOf(address, interfaces, addresses, netlink, OP);

  for (const address of options.addresses ?? []) uplinkFor(address);
  const config: HostConfig = {
    publicAddress,
    uplink: uplinkFor(publicAddress).index,
    hostSubnet: options.hostSubnet ?? old?.hostSubnet ?? DEFAULTS.hostSubnet,
    containerSubnet: options.containerSubnet ?? old?.containerSubnet ?? DEFAULTS.containerSubnet,
    portRange: options.portRange ?? old?.portRange ?? DEFAULTS.portRange,
    httpPort: options.httpPort ?? old?.httpPort ?? DEFAULTS.httpPort,
    dnsPort: options.dnsPort ?? old?.dnsPort ?? DEFAULTS.dnsPort,
    tcpPort: options.tcpPort ?? old?.tcpPort ?? DEFAULTS.tcpPort,
  };
  checkProxyPorts(config);
  checkSubnets(config, input);
  const moved = planMoves(input, config, interfaces);
  const present = records.filter(
    (record) => previous !== undefined && findHostPeer(previous, record, netlink) !== undefined,
  );
  const oldCgroup = cgroupOf(previous);
  const cgroup = chooseCgroup(input, oldCgroup);
  return { uplinks, config, addresses, cgroup, oldCgroup, present, moved, servers: records.length };
}

function checkProxyPorts({ httpPort, dnsPort, tcpPort }: HostConfig): void {
  if (new Set([httpPort, dnsPort, tcpPort]).size === 3) return;
  throw new DatapathError(
    "BAD_USAGE",
    OP,
    `the proxy's listeners need three different ports: HTTP has ${httpPort}, DNS ${dnsPort}, TCP ${tcpPort}`,
  );
}
