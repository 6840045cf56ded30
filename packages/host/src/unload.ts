import type { Objects } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError, isBpffs } from "@dp/sys";
import { removeServers } from "./del-server.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { expedite, withLock } from "./pins/lock.ts";
import { openPreviousLoad } from "./pins/open.ts";
import { recoverServers } from "./server/remove.ts";
import { labels, type Server } from "./server/server.ts";

export interface UnloadOptions extends HostOptions {
  /** Remove servers that are there, instead of refusing. Default false. */
  force?: boolean | undefined;
}

/** All of it can be written as JSON. */
export interface UnloadResult {
  pinRoot: string;
  /** Whether something was loaded. */
  unloaded: boolean;
  /** The servers that were removed. */
  removed: Server[];
}

const OP = "unload";

/**
 * Detaches and unpins everything. Not loaded is done, not failed. The bpffs itself stays mounted.
 *
 * @throws DatapathError `CONFLICT` while there are servers, unless forced
 */
export async function unload(options: UnloadOptions = {}): Promise<UnloadResult> {
  requirePrivileges(OP);
  const pinRoot = pinRootOf(options);
  if (!isBpffs(pinRoot)) return { pinRoot, unloaded: false, removed: [] };
  return withLock(options, () => {
    using _expedited = expedite(options);
    using objects = openPreviousLoad(options);
    if (objects === undefined) return { pinRoot, unloaded: false, removed: [] };
    return { pinRoot, unloaded: true, removed: takeDown(objects, options) };
  });
}

function takeDown(objects: Objects, options: UnloadOptions): Server[] {
  using netlink = Netlink.open();
  recoverServers(objects, netlink, objects.netData(), options);
  const records = objects.netData();
  if (records.length > 0 && !options.force) {
    throw new DatapathError("CONFLICT", OP, `there ${records.length === 1 ? "is" : "are"} ${labels(records)}`, {
      hint: "delete them first (dp del-server --all), or all at once: dp unload --force",
    });
  }
  const removed = removeServers(objects, netlink, records, options, OP);
  // Killed from here on, it is left like a load that did not finish.
  if (objects.needsLoad === undefined) objects.clearConfig();
  objects.unpinAll();
  return removed;
}
