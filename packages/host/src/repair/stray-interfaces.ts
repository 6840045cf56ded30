import type { ServerRecord } from "@dp/core";
import { guardOf } from "@dp/core/internal";
import type { Link, Netlink } from "@dp/netlink";
import { looksLikeHostPeer } from "../interfaces/veth-pair.ts";
import { recordsOfAllRoots } from "../pins/other-roots.ts";
import { removeBy, type Problem, problem } from "./problem.ts";

/**
 * Host peers of no server: what is left when the bpffs was unmounted, and the records with it. Nothing says any more
 * what they were made for; with their guards gone, they only let a container reach the host.
 */
export function inspectStrayInterfaces(
  netlink: Netlink,
  links: readonly Link[],
  records: readonly ServerRecord[],
): Problem[] {
  const known = (link: Link, those: readonly ServerRecord[]) =>
    those.some(({ hostPeer }) => hostPeer.ifindex === link.index || hostPeer.name === link.name);
  const strays = links.filter((link) => looksLikeHostPeer(link) && !known(link, records));
  if (strays.length === 0) return [];
  const others = recordsOfAllRoots();
  return strays.flatMap((link) => {
    const { name, index } = link;
    if (others !== undefined && known(link, others)) return [];
    const guard = guardOf(link);
    if (guard !== undefined) return [outOfSight(name, guard)];
    const words = {
      code: "orphaned-interface",
      severity: "error",
      what: `there is an interface ${name} as servers have them, and no record of a server`,
    } as const;
    if (others === undefined) return [problem(words, `if no other build's server has it: ip link delete ${name}`)];
    return [
      problem(
        words,
        removeBy(() => netlink.deleteLink(index)),
      ),
    ];
  });
}

/** Its programs are there: it is a server's that works. */
function outOfSight(name: string, guard: "tcx" | "clsact"): Problem {
  const what = `${name} is a server's that goes on working, and its record is pinned nowhere in sight`;
  const fix = guard === "clsact" ? "dp load takes it over again" : "mount the bpffs again that its programs are on";
  return problem({ code: "record-out-of-sight", severity: "error", what }, fix);
}
