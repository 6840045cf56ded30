import type { Attachment, Objects } from "@dp/core";
import type { Link } from "@dp/netlink";
import { defaultAddress, defaultUplinks, findUplink } from "../interfaces/uplink.ts";
import type { LoadInput } from "./input.ts";

/** Those that are named; else those that were attached, as far as they are there; else the default route's. */
export function chooseUplinks({ host, previous, old, addresses, options }: LoadInput): {
  links: Link[];
  /** The source address of the default route. */
  source: string | undefined;
} {
  if (options.ifaces !== undefined && options.ifaces.length > 0) {
    const names = new Set(options.ifaces);
    return { links: [...names].map((name) => findUplink(host, name)), source: undefined };
  }
  const kept = uplinksOf(previous).flatMap(({ iface, ifindex }) => {
    // Under the name it had, or the one it has now.
    const link = host.link(iface) ?? (ifindex === 0 ? undefined : host.link(ifindex));
    if (link === undefined) options.warn?.(`the uplink ${iface} is gone`);
    return link ?? [];
  });
  if (kept.length > 0) {
    const main = (link: Link) => Number(link.index === old?.settings.uplink);
    return { links: kept.sort((one, other) => main(other) - main(one)), source: undefined };
  }
  try {
    return defaultUplinks(host);
  } catch (error) {
    // Without a default route, the interfaces that have the given addresses.
    const owners = addresses
      .filter(({ address }) => options.addresses?.includes(address) ?? false)
      .map(({ ifindex }) => host.link(ifindex));
    const links = owners.filter((link) => link !== undefined);
    if (links.length === 0) throw error;
    return { links: links.map(({ name }) => findUplink(host, name)), source: undefined };
  }
}

/**
 * The default public address: the first that is given; else that of the last load, while an uplink has it; else the
 * uplinks'.
 *
 * @param source the source address of the default route, if the uplinks are its interfaces
 */
export function choosePublicAddress(
  { old, addresses, options }: LoadInput,
  uplinks: readonly Link[],
  source: string | undefined,
): string {
  const given = options.addresses?.[0];
  if (given !== undefined) return given;
  const before = old?.settings.publicAddresses.ipv4;
  const owner = addresses.find(({ address }) => address === before);
  if (before !== undefined && owner !== undefined) {
    const named = options.ifaces === undefined || uplinks.some(({ index }) => index === owner.ifindex);
    if (named) return before;
  }
  const address = defaultAddress(uplinks, addresses, source);
  if (before !== undefined) options.warn?.(`new servers get ${address} instead of ${before}`);
  return address;
}

/** Where the programs for uplinks are attached. */
export function uplinksOf(objects: Objects | undefined): Attachment[] {
  return objects?.attachments.all().filter(({ program }) => program === "dnat") ?? [];
}
