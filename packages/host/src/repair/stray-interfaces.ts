import { attachedBy, type MechanismName, type ServerRecord } from "@dp/core";
import type { Link, Netlink } from "@dp/netlink";
import { looksLikeHostPeer } from "../interfaces/veth-pair.ts";
import { recordsOfAllRoots } from "../pins/other-roots.ts";
import { removeBy, type Problem, problem } from "./problem.ts";

/** A host peer of no server, and what is to be done about it. */
export interface Stray {
  link: Link;
  problem: Problem;
}

/** As {@link findStrays}, without the interfaces. */
export function inspectStrayInterfaces(
  netlink: Netlink,
  links: readonly Link[],
  records: readonly ServerRecord[],
): Problem[] {
  return findStrays(netlink, links, records).map((stray) => stray.problem);
}

/**
 * Host peers of no server: what is left when the bpffs was unmounted, and the records with it. Nothing says any more
 * what they were made for; without their programs, they only let a container reach the host.
 */
export function findStrays(netlink: Netlink, links: readonly Link[], records: readonly ServerRecord[]): Stray[] {
  const isKnown = (link: Link, those: readonly ServerRecord[]) =>
    those.some(({ hostPeer }) => hostPeer.ifindex === link.index || hostPeer.name === link.name);
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
    const cure =
      others === undefined
        ? `if it belongs to no server of another build: ip link delete ${name}`
        : removeBy(() => netlink.deleteLink(index));
    return [{ link, problem: problem(words, cure) }];
  });
}

/** dp_snat is attached: the server works. */
function outOfSight(name: string, mechanism: MechanismName): Problem {
  const what = `${name} belongs to a server that works, and its record is pinned nowhere in sight`;
  const fix = mechanism === "clsact" ? "dp load pins it again" : "mount the bpffs again that its programs are on";
  return problem({ code: "record-out-of-sight", severity: "error", what }, fix);
}
