import { adoptFilters, type AdoptableFilter, filtersOn, isPinned } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { type HostOptions, pinRootOf } from "../host-options.ts";
import { hasPins } from "./open.ts";
import { pinRoots } from "./other-roots.ts";

/** Pins the clsact filters that run without pins: where their bpffs was unmounted, they are what is loaded. */
export function adoptUnpinnedFilters(netlink: Netlink, options: HostOptions): void {
  const pinRoot = pinRootOf(options);
  const filters = hasPins(pinRoot) ? [] : unpinnedFilters(netlink);
  if (filters.length === 0) return;
  options.warn?.(`the pins under ${pinRoot} were lost; the filters that run without them are pinned again`);
  adoptFilters(pinRoot, filters);
}

/**
 * The clsact filters of datapath that run without pins. When a bpffs is unmounted, filters stay and only their pins
 * go; their programs hold all maps, records included. Filters that are pinned in another pin root are left out.
 */
function unpinnedFilters(netlink: Netlink): AdoptableFilter[] {
  const filters = netlink.links().flatMap(({ name, index }) => filtersOn({ name, index }));
  if (filters.length === 0) return [];
  const roots = pinRoots();
  return filters.filter((filter) => !roots.some((root) => isPinned(root, filter)));
}
