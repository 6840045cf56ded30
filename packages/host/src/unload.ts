import type { Objects } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError, isBpffs } from "@dp/sys";
import { removeServers } from "./del-server.ts";
import { during } from "./during.ts";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { deleteGuardRule } from "./kernel/guard-rule.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { expedite, withLock } from "./pins/lock.ts";
import { openPreviousLoad } from "./pins/open.ts";
import { recoverServers } from "./server/recover.ts";
import { serverLabels } from "./server/server-labels.ts";
import type { Server } from "./server/server.ts";

export interface UnloadOptions extends HostOptions {
  /** Remove the servers there are, instead of refusing. Default false. */
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
 * Detaches and unpins everything. Succeeds when nothing is loaded. The bpffs itself stays mounted.
 *
 * @throws DatapathError `CONFLICT` while there are servers, unless forced
 */
export async function unload(options: UnloadOptions = {}): Promise<UnloadResult> {
  requirePrivileges(OP);
  const pinRoot = pinRootOf(options);
  if (!isBpffs(pinRoot)) return { pinRoot, unloaded: false, removed: [] };
  return during(OP, () =>
    withLock(options, () => {
      using _expedited = expedite(options);
      using objects = openPreviousLoad(options);
      if (objects === undefined) return { pinRoot, unloaded: false, removed: [] };
      return { pinRoot, unloaded: true, removed: takeDown(objects, options) };
    }),
  );
}

function takeDown(objects: Objects, options: UnloadOptions): Server[] {
  using netlink = Netlink.open();
  recoverServers(objects, netlink, objects.records.all(), options);
  const records = objects.records.all();
  if (records.length > 0 && !options.force) {
    throw new DatapathError(
      "CONFLICT",
      undefined,
      `there ${records.length === 1 ? "is" : "are"} ${serverLabels(records)}`,
      {
        hint: "delete them first: dp del-server --all; or let the unload delete them: dp unload --force",
      },
    );
  }
  const removed = removeServers(objects, netlink, records, options, OP);
  // Killed from here on, it leaves what a load that did not finish leaves.
  if (objects.needsLoad === undefined) objects.config.clear();
  objects.unpinAll();
  deleteGuardRule(pinRootOf(options));
  return removed;
}
