import type { Objects } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { recoverServers } from "../server/recover.ts";
import type { LoadOptions } from "./options.ts";

/**
 * Second stage: finishes or undoes the changes of killed commands, so that the plan has only complete servers.
 */
export function recover(previous: Objects | undefined, host: Netlink, options: LoadOptions): void {
  if (previous !== undefined) recoverServers(previous, host, previous.records.all(), options);
}
