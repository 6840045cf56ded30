import type { Link } from "@dp/netlink";
import { defaultAddress } from "../interfaces/uplink.ts";
import type { LoadInput } from "./input.ts";
import { OP } from "./options.ts";

/** The one that is given; else the one servers got before, while an uplink has it; else the default. */
export function choosePublicAddress(
  { old, addresses, options }: LoadInput,
  uplinks: readonly Link[],
  source: string | undefined,
): string {
  const given = options.addresses?.[0];
  if (given !== undefined) return given;
  const oldOwner = addresses.find(({ address }) => address === old?.publicAddress);
  if (old !== undefined && oldOwner !== undefined) {
    const named = options.ifaces === undefined || uplinks.some(({ index }) => index === oldOwner.ifindex);
    if (named) return old.publicAddress;
  }
  const address = defaultAddress(uplinks, addresses, source, OP);
  if (old !== undefined) options.warn?.(`new servers get ${address} instead of ${old.publicAddress}`);
  return address;
}
