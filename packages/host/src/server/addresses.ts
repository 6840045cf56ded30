import type { AddressPair, ServerRecord } from "@dp/core";

/** The address pairs of a server, one for each family. */
export function addressPairs({ addresses }: Pick<ServerRecord, "addresses">): AddressPair[] {
  return [addresses.ipv4, addresses.ipv6].filter((pair) => pair !== undefined);
}
