import { type AddressPair, type Objects, serverLabel } from "@dp/core";
import { type Netlink, NetlinkError } from "@dp/netlink";
import { DatapathError, type Prefix } from "@dp/sys";
import { type Free, lowestFree } from "./lowest-free.ts";
import { addressAt, isHostPosition, positionIn } from "./subnet.ts";

/** Finds the owner of an address, with one look-up for each address. */
export class AddressOwners {
  readonly #objects: Objects;
  readonly #host: Netlink;

  constructor(objects: Objects, host: Netlink) {
    this.#objects = objects;
    this.#host = host;
  }

  /** "server lobby (id 7)", "the host itself"; undefined if the address is free. */
  of(address: string): string | undefined {
    const id = this.server(address);
    if (id !== undefined) return this.#label(id);
    return this.isLocal(address) ? this.#ownerOfGateway(address) : undefined;
  }

  /** The id of the server whose container has the address. */
  server(address: string): number | undefined {
    return this.#objects.containers.get(address)?.server;
  }

  /** Whether it is an address of the host, also a gateway's. */
  isLocal(address: string): boolean {
    try {
      return this.#host.getRoute(address)?.type === "local";
    } catch (error) {
      // A blackhole or prohibit route: the address is not the host's.
      if (error instanceof NetlinkError) return false;
      throw error;
    }
  }

  #label(id: number): string {
    const record = this.#objects.records.get(id);
    return record === undefined ? `server id:${id}` : serverLabel(record);
  }

  /** For messages only: reads all records. */
  #ownerOfGateway(address: string): string {
    const owner = this.#objects.records.all().find(({ addresses }) => addresses.ipv4?.gateway === address);
    return owner === undefined ? "the host itself" : serverLabel(owner);
  }
}

export interface ChosenAddresses extends AddressPair {
  /** Every position below is taken by servers. */
  freeFrom: number;
}

/** What was asked for. */
export interface AskedAddresses {
  containerAddress?: string | undefined;
  gatewayAddress?: string | undefined;
}

/**
 * The two addresses of a server: those of the options, otherwise the addresses at the lowest position that is free in
 * both subnets.
 *
 * @throws DatapathError `BAD_USAGE` for an address outside its subnet, `CONFLICT` for one that is taken
 */
export function chooseAddresses(
  { containerAddress, gatewayAddress }: AskedAddresses,
  subnets: { host: Prefix; container: Prefix },
  owners: AddressOwners,
  first: number,
): ChosenAddresses {
  const checkedPosition = (subnet: Prefix, address: string, what: string) => {
    const position = positionIn(subnet, address);
    if (!isHostPosition(subnet, position)) {
      const why = position === undefined ? "is outside" : "is the network's own or the broadcast address of";
      throw new DatapathError("BAD_USAGE", undefined, `${what} ${address} ${why} ${subnet.toString()}`);
    }
    return position;
  };
  const given =
    containerAddress !== undefined
      ? checkedPosition(subnets.container, containerAddress, "the container address")
      : gatewayAddress !== undefined
        ? checkedPosition(subnets.host, gatewayAddress, "the gateway's address")
        : undefined;
  if (gatewayAddress !== undefined) checkedPosition(subnets.host, gatewayAddress, "the gateway's address");
  const search = given === undefined ? lowestFreePosition(subnets, owners, first) : undefined;
  const position = given ?? search?.value;
  if (position === undefined) {
    throw new DatapathError("CONFLICT", undefined, `every address of ${subnets.container.toString()} is taken`, {
      hint: "larger subnets: dp unload, then dp load --host-subnet ... --container-subnet ...",
    });
  }
  // If one was given, the other has the same position. Its subnet may be too small for this position.
  if (gatewayAddress === undefined) requirePosition(subnets.host, position, containerAddress, "--host-ip");
  if (containerAddress === undefined) requirePosition(subnets.container, position, gatewayAddress, "--container-ip");
  const chosen = {
    freeFrom: search?.freeFrom ?? 0,
    gateway: gatewayAddress ?? addressAt(subnets.host, position),
    container: containerAddress ?? addressAt(subnets.container, position),
  };
  // The given ones first: the error should name them.
  const asked = [containerAddress, gatewayAddress].filter((address) => address !== undefined);
  for (const address of [...asked, chosen.gateway, chosen.container]) {
    const owner = owners.of(address);
    if (owner === undefined) continue;
    const hint = asked.includes(address) ? undefined : "give that address too: --container-ip IP --host-ip IP";
    throw new DatapathError("CONFLICT", undefined, `the address ${address} is taken by ${owner}`, { hint });
  }
  return chosen;
}

function requirePosition(subnet: Prefix, position: number, other: string | undefined, option: string) {
  if (isHostPosition(subnet, position)) return;
  const reason = `${subnet.toString()} has no address at the position of ${other}`;
  throw new DatapathError("BAD_USAGE", undefined, reason, { hint: `give that address too: ${option} IP` });
}

/** The lowest position at which both subnets have a free address. */
function lowestFreePosition(
  { host, container }: { host: Prefix; container: Prefix },
  owners: AddressOwners,
  first: number,
): Free | undefined {
  // The last is the broadcast address.
  const last = Math.min(host.size, container.size) - 2;
  return lowestFree([first, last], (position) => {
    if (owners.server(addressAt(container, position)) !== undefined) return "server";
    return owners.isLocal(addressAt(host, position)) || owners.isLocal(addressAt(container, position))
      ? "other"
      : undefined;
  });
}
