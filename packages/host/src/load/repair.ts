import type { Netlink } from "@dp/netlink";
import { openIfLoaded } from "../pins/open.ts";
import { applyRemedies } from "../repair/apply-remedies.ts";
import { inspect } from "../repair/inspect.ts";
import { View } from "../repair/view.ts";
import { tidyRecords } from "../server/tidy-records.ts";
import type { LoadOptions } from "./options.ts";
import type { LoadResult } from "./result.ts";

/**
 * Last stage: restores other missing parts of servers: routes, addresses, map entries. It removes nothing: `dp repair`
 * does.
 */
export function repairServers(host: Netlink, options: LoadOptions): Pick<LoadResult, "repaired" | "remaining"> {
  using objects = openIfLoaded(options);
  if (objects === undefined) return { repaired: [], remaining: [] };
  tidyRecords(objects, options);
  const look = () => inspect(new View(objects, host, options));
  const { done, remaining } = applyRemedies(look, { ...options, only: "repair" });
  return { repaired: done.map(({ finding }) => finding), remaining };
}
