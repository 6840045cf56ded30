import type { Attachment, Objects } from "@dp/core";
import type { Link } from "@dp/netlink";
import { defaultUplinks, findUplink } from "../interfaces/uplink.ts";
import type { LoadInput } from "./input.ts";
import { OP } from "./options.ts";

/** Those that are named; else those that were attached, as far as they are there; else the default route's. */
export function chooseUplinks({ netlink, previous, old, addresses, options }: LoadInput): {
  links: Link[];
  /** The address the default route says to send from. */
  source: string | undefined;
} {
  if (options.ifaces !== undefined && options.ifaces.length > 0) {
    const names = new Set(options.ifaces);
    return { links: [...names].map((name) => findUplink(netlink, name, OP)), source: undefined };
  }
  const kept = uplinksOf(previous).flatMap(({ iface, ifindex }) => {
    // Under the name it had, or the one it has now.
    const link = netlink.link(iface) ?? (ifindex === 0 ? undefined : netlink.link(ifindex));
    if (link === undefined) options.warn?.(`the uplink ${iface} is gone`);
    return link ?? [];
  });
  if (kept.length > 0) {
    const main = (link: Link) => Number(link.index === old?.uplink);
    return { links: kept.sort((one, other) => main(other) - main(one)), source: undefined };
  }
  try {
    return defaultUplinks(netlink, OP);
  } catch (error) {
    // Without a default route, the addresses say it.
    const owners = addresses
      .filter(({ address }) => options.addresses?.includes(address) ?? false)
      .map(({ ifindex }) => netlink.link(ifindex));
    const links = owners.filter((link) => link !== undefined);
    if (links.length === 0) throw error;
    return { links: links.map(({ name }) => findUplink(netlink, name, OP)), source: undefined };
  }
}

/** Where dp_dnat is attached. */
export function uplinksOf(objects: Objects | undefined): Attachment[] {
  return objects?.attachments().filter(({ program }) => program === "dnat") ?? [];
}
