import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { adoptUnpinnedFilters } from "../pins/adopt-filters.ts";
import { openPreviousLoad } from "../pins/open.ts";
import type { LoadOptions } from "./options.ts";

/**
 * First stage: opens what is loaded in the pin root, also when some of it is missing. The caller closes it. Filters
 * that lost their pins are pinned again. They stay pinned when the load fails: this changes nothing for packets, and
 * the next command finds them.
 *
 * @returns undefined for a first load
 */
export function prepare(host: Netlink, options: LoadOptions): Objects | undefined {
  adoptUnpinnedFilters(host, options);
  const previous = openPreviousLoad(options);
  if (previous !== undefined) warnOfMechanism(previous, options);
  return previous;
}

/** The mechanism of the first load stays: programs of two mechanisms would run in the wrong order. */
function warnOfMechanism({ attachments }: Objects, { mechanism: asked, warn }: LoadOptions): void {
  if (asked === undefined || asked === attachments.mechanism) return;
  warn?.(`not attached by ${asked}: what is loaded stays attached by ${attachments.mechanism} until dp unload`);
}
