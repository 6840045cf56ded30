import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Filter, filtersOn, functionName } from "@dp/core/internal";
import type { Netlink } from "@dp/netlink";
import { pinRoots } from "./other-roots.ts";

/**
 * The clsact filters of datapath that run without pins. When a bpffs is unmounted, filters stay and only their pins
 * go; their programs hold all maps, records included. Filters that are pinned in another pin root are left out.
 */
export function unpinnedFilters(netlink: Netlink): Filter[] {
  const filters = netlink.links().flatMap(({ name, index }) => filtersOn({ name, index }));
  if (filters.length === 0) return [];
  const roots = pinRoots();
  // The name of the pin: bpffs allows no dots.
  const pin = ({ program, iface }: Filter) => `${functionName(program)}_${iface.name.replaceAll(".", ":")}`;
  return filters.filter((filter) => !roots.some((root) => existsSync(join(root, "progs", pin(filter)))));
}
