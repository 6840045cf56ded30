import { attachedBy, type MechanismName, type ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { looksLikeHostPeer } from "../interfaces/veth-pair.ts";
import { recordsOfAllRoots } from "../pins/other-roots.ts";
import { removeBy, type Problem, problem } from "./problem.ts";

/** An interface that looks like a host peer and has no record, with its problem. */
export interface Stray {
  link: Link;
  problem: Problem;
}

/** The problems of {@link findStrays}. */
export function inspectStrayInterfaces(
  netlink: Netlink,
  links: readonly Link[],
  records: readonly ServerRecord[],
): Problem[] {
  return findStrays(netlink, links, records).map((stray) => stray.problem);
}

/**
 * Stray interfaces: they look like host peers and have no record, because the bpffs with the records was unmounted.
 * Without their programs, the container can send anything to the host.
 */
export function findStrays(netlink: Netlink, links: readonly Link[], records: readonly ServerRecord[]): Stray[] {
  const isKnown = (link: Link, owners: readonly ServerRecord[]) =>
    owners.some(({ hostPeer }) => hostPeer.ifindex === link.index || hostPeer.name === link.name);
  const strays = links.filter((link) => looksLikeHostPeer(link) && !isKnown(link, records));
  if (strays.length === 0) return [];
  const others = recordsOfAllRoots();
  return strays.flatMap((link) => {
    const { name, index } = link;
    if (others !== undefined && isKnown(link, others)) return [];
    const mechanism = attachedBy("snat", link);
    if (mechanism !== undefined) return [{ link, problem: outOfSight(name, mechanism) }];
    const what = `interface ${name}: it looks like a host peer, but no record of a server has it`;
    const words = { code: "orphaned-interface", severity: "error", what } as const;
    const remedy =
      others === undefined
        ? `if it belongs to no server of another build: ip link delete ${name}`
        : removeBy(() => netlink.deleteLink(index));
    return [{ link, problem: problem(words, remedy) }];
  });
}

/** dp_snat is attached: the server works. */
function outOfSight(name: string, mechanism: MechanismName): Problem {
  const what = `${name} is the host peer of a working server, and no visible bpffs has the server's record`;
  const fix = mechanism === "clsact" ? "dp load" : "mount the bpffs with its pins again";
  return problem({ code: "record-out-of-sight", severity: "error", what }, fix);
}
