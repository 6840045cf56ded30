import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Filter, filtersOn, functionName } from "@dp/core/internal";
import type { Netlink } from "@dp/netlink";
import { pinRoots } from "./other-roots.ts";

/**
 * The filters that go on working though nothing is pinned: with clsact, a bpffs that is unmounted takes nothing along
 * but the pins. Their programs hold all maps, records included. What another pin root has is left out.
 */
export function unpinnedFilters(netlink: Netlink): Filter[] {
  const filters = netlink.links().flatMap(({ name, index }) => filtersOn({ name, index }));
  if (filters.length === 0) return [];
  const roots = pinRoots();
  // As the pins are named: bpffs has no dots.
  const pin = ({ program, iface }: Filter) => `${functionName(program)}_${iface.name.replaceAll(".", ":")}`;
  return filters.filter((filter) => !roots.some((root) => existsSync(join(root, "progs", pin(filter)))));
}
