import type { Objects, ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { type HostAddress, hostAddresses } from "../interfaces/host-addresses.ts";
import { toInterface, uplinkOf } from "../interfaces/uplink.ts";
import { ephemeralRange, overlap } from "../kernel/ephemeral-range.ts";
import { findStrays, type Stray } from "../repair/stray-interfaces.ts";
import type { Move } from "../server/move.ts";
import { hasHostPeer } from "../server/present.ts";
import { cgroupOf, chooseCgroup } from "./cgroup.ts";
import type { LoadInput } from "./input.ts";
import { planMoves } from "./moves.ts";
import { type LoadOptions } from "./options.ts";
import { chooseParameters, type Stored, storedOf } from "./parameters.ts";
import { checkSubnets } from "./subnets.ts";
import { choosePublicAddress, chooseUplinks } from "./uplinks.ts";

/** What a load does: everything is decided and checked, nothing is changed yet. */
export interface LoadPlan extends Stored {
  /** What was stored before. */
  old: Stored | undefined;
  /** The first one is that of new servers. */
  uplinks: readonly Link[];
  addresses: readonly HostAddress[];
  cgroup: string;
  /** The folder that the previous programs are attached to, if there is one. */
  oldCgroup: string | undefined;
  /** The servers whose host peer is there. */
  present: readonly ServerRecord[];
  moves: readonly Move[];
  /** The stray interfaces, which are deleted. */
  strays: readonly Stray[];
  /** The number of servers. */
  servers: number;
}

/**
 * Third stage: decides everything about the load.
 *
 * @throws DatapathError as `load`
 */
export function planLoad(host: Netlink, previous: Objects | undefined, options: LoadOptions): LoadPlan {
  const records = previous?.records.all() ?? [];
  const old = storedBy(previous);
  // The plan is for the host without the strays, which are deleted when it is applied.
  const strays = findStrays(host, host.links(), records).filter(({ problem }) => problem.remedy !== undefined);
  const addresses = hostAddresses(host, records).filter(
    ({ ifindex }) => !strays.some(({ link }) => link.index === ifindex),
  );
  const input: LoadInput = { host, previous, old, records, addresses, options };

  const { links: uplinks, source } = chooseUplinks(input);
  const interfaces = uplinks.map(toInterface);
  const uplinkFor = (address: string) => uplinkOf(address, interfaces, addresses, host);
  for (const address of options.addresses ?? []) uplinkFor(address);
  const publicAddress = choosePublicAddress(input, uplinks, source);
  const place = { uplink: uplinkFor(publicAddress).index, publicAddresses: { ipv4: publicAddress } };
  const stored = storedOf(chooseParameters(options, old), place);
  checkSubnets(stored.config, input);
  warnOfEphemeralPorts(options);

  const moves = planMoves(input, stored.settings, uplinks);
  const present = records.filter((record) => previous !== undefined && hasHostPeer(previous, record, host));
  const oldCgroup = cgroupOf(previous);
  const cgroup = chooseCgroup(input, oldCgroup);
  return { ...stored, old, uplinks, addresses, cgroup, oldCgroup, present, moves, strays, servers: records.length };
}

function storedBy(previous: Objects | undefined): Stored | undefined {
  const config = previous?.config.get();
  const settings = previous?.settings.get();
  return config === undefined || settings === undefined ? undefined : { config, settings };
}

function warnOfEphemeralPorts({ portRange, warn }: LoadOptions): void {
  const shared = portRange === undefined ? undefined : overlap(portRange, ephemeralRange());
  if (shared === undefined) return;
  const range = shared.join("-");
  warn?.(`the host's own connections use the ports ${range} (net.ipv4.ip_local_port_range): "auto" leaves them out`);
}
