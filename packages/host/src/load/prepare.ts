import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { adoptUnpinnedFilters } from "../pins/adopt-filters.ts";
import { openPreviousLoad } from "../pins/open.ts";
import type { LoadOptions } from "./options.ts";

/**
 * First stage: opens what is loaded in the pin root, whatever is left of it. The caller closes it. Filters that lost
 * their pins are pinned again, and stay so when the load fails: packets go the same way, and the next command finds
 * them.
 *
 * @returns undefined for a first load
 */
export function prepare(host: Netlink, options: LoadOptions): Objects | undefined {
  adoptUnpinnedFilters(host, options);
  const previous = openPreviousLoad(options);
  if (previous !== undefined) warnOfMechanism(previous, options);
  return previous;
}

/** Programs of two mechanisms would run in another order: the first load decides. */
function warnOfMechanism({ attachments }: Objects, { mechanism: asked, warn }: LoadOptions): void {
  if (asked === undefined || asked === attachments.mechanism) return;
  warn?.(`not attached by ${asked}: what is loaded stays attached by ${attachments.mechanism} until dp unload`);
}
