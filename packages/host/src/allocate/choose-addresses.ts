import type { Objects, ServerRecord } from "@dp/core";
import { type Netlink, NetlinkError } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { label } from "../server/server.ts";
import { type Free, isHostIndex, lowestFree } from "./lowest-free.ts";
import type { Subnet } from "./subnet.ts";

/** Whose an address is, answered for each that is asked for. */
export class AddressOwners {
  readonly #objects: Objects;
  readonly #host: Netlink;

  constructor(objects: Objects, host: Netlink) {
    this.#objects = objects;
    this.#host = host;
  }

  /** "server 25570 (lobby)", "the host itself"; undefined: nobody's. */
  of(address: string): string | undefined {
    const server = this.server(address);
    if (server !== undefined) return label(server);
    return this.isLocal(address) ? this.#ownerOfHostPeer(address) : undefined;
  }

  /** The server whose container has it. */
  server(address: string): ServerRecord | undefined {
    return this.#objects.records.get(address);
  }

  /** Whether it is the host's: its own, or some host peer's. */
  isLocal(address: string): boolean {
    try {
      return this.#host.getRoute(address)?.type === "local";
    } catch (error) {
      // What is routed to nowhere (blackhole, prohibit) is not the host's.
      if (error instanceof NetlinkError) return false;
      throw error;
    }
  }

  /** Asked only for a message. */
  #ownerOfHostPeer(address: string): string {
    const owner = this.#objects.netData().find(({ veth }) => veth.hostPeer.addr === address);
    return owner === undefined ? "the host itself" : label(owner);
  }
}

export interface ChosenAddresses {
  hostAddress: string;
  containerAddress: string;
  /** Everything below this index is some server's by now. */
  freeFrom: number;
}

/**
 * A server's two addresses: what was asked for, and the rest so that both end alike; the lowest that are free.
 *
 * @throws DatapathError `BAD_USAGE` for one that its subnet has not, `CONFLICT` for one that is taken
 */
export function chooseAddresses(
  { containerIp, hostIp }: { containerIp?: string | undefined; hostIp?: string | undefined },
  subnets: { host: Subnet; container: Subnet },
  owners: AddressOwners,
  first: number,
  op: string,
): ChosenAddresses {
  const indexIn = (subnet: Subnet, address: string, what: string) => {
    const index = subnet.indexOf(address);
    if (!isHostIndex(subnet, index)) {
      const why = index === undefined ? "is outside" : "is the network's own or the broadcast address of";
      throw new DatapathError("BAD_USAGE", op, `${what} ${address} ${why} ${subnet.toString()}`);
    }
    return index;
  };
  const given =
    containerIp !== undefined
      ? indexIn(subnets.container, containerIp, "the container address")
      : hostIp !== undefined
        ? indexIn(subnets.host, hostIp, "the host peer's address")
        : undefined;
  if (hostIp !== undefined) indexIn(subnets.host, hostIp, "the host peer's address");
  const search = given === undefined ? lowestFreeIndex(subnets, owners, first) : undefined;
  const index = given ?? search?.value;
  if (index === undefined) {
    throw new DatapathError("CONFLICT", op, `every address of ${subnets.container.toString()} is taken`, {
      hint: "larger subnets: dp unload, then dp load --host-subnet ... --container-subnet ...",
    });
  }
  // One that was given, and the other ends alike; unless its subnet is too small for that.
  if (!isHostIndex(subnets.host, index) && hostIp === undefined) {
    throw new DatapathError(
      "BAD_USAGE",
      op,
      `${subnets.host.toString()} has no address that ends like ${containerIp}`,
      {
        hint: "give the host peer's too: --host-ip IP",
      },
    );
  }
  if (!isHostIndex(subnets.container, index) && containerIp === undefined) {
    throw new DatapathError(
      "BAD_USAGE",
      op,
      `${subnets.container.toString()} has no address that ends like ${hostIp}`,
      {
        hint: "give the container's too: --container-ip IP",
      },
    );
  }
  const chosen = {
    freeFrom: search?.freeFrom ?? 0,
    hostAddress: hostIp ?? subnets.host.at(index),
    containerAddress: containerIp ?? subnets.container.at(index),
  };
  // What was asked for comes first: its mirror image is taken for the same reason.
  const asked = [containerIp, hostIp].filter((address) => address !== undefined);
  for (const address of [...asked, chosen.hostAddress, chosen.containerAddress]) {
    const owner = owners.of(address);
    if (owner === undefined) continue;
    const hint = asked.includes(address) ? undefined : "give that address too: --container-ip IP --host-ip IP";
    throw new DatapathError("CONFLICT", op, `the address ${address} is taken by ${owner}`, { hint });
  }
  return chosen;
}

/** The lowest index at which both subnets have a free address, so that a server's two addresses end alike. */
function lowestFreeIndex(
  { host, container }: { host: Subnet; container: Subnet },
  owners: AddressOwners,
  first: number,
): Free | undefined {
  // The last is the broadcast address.
  const last = Math.min(host.size, container.size) - 2;
  return lowestFree([first, last], (index) => {
    if (owners.server(container.at(index)) !== undefined) return "server";
    return owners.isLocal(host.at(index)) || owners.isLocal(container.at(index)) ? "other" : undefined;
  });
}
