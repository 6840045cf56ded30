import type { Attachment, Objects } from "@dp/core";
import type { Link } from "@dp/netlink";
import { defaultAddress, defaultUplinks, findUplink } from "../interfaces/uplink.ts";
import type { LoadInput } from "./input.ts";

/** The uplinks of the options; else those of the last load that exist; else those of the default route. */
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
    // By the name that it had; if it was renamed, by its index.
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
 * The default public address: the first of the options; else that of the last load, if an uplink has it; else an
 * address of the uplinks.
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
