import type { Objects, ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { during } from "./during.ts";
import type { HostOptions } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { namesOf } from "./list.ts";
import { withLoaded } from "./pins/open.ts";
import { hasHostPeer } from "./server/present.ts";
import { recoverChanges } from "./server/recover.ts";
import { removeServer } from "./server/remove.ts";
import { checkSelector, describeSelector, findServer, requireServer, type ServerSelector } from "./server/select.ts";
import { type Server, toServer } from "./server/server.ts";
import { tidyRecords } from "./server/tidy-records.ts";

export interface DelServerOptions extends HostOptions {
  /** Succeed if the server does not exist. Default false. */
  ifExists?: boolean | undefined;
}

/**
 * Removes servers, whatever is left of them: it also works when the container is gone.
 *
 * @returns those that were removed, as they were
 * @throws DatapathError `NO_SUCH_SERVER`, `NOT_LOADED`; `BAD_USAGE` for a selector that several servers match;
 *   `FAILED` when
 *   something could not be removed, after everything else was
 */
export async function delServer(
  selector: ServerSelector | { all: true },
  options: DelServerOptions = {},
): Promise<Server[]> {
  const all = "all" in selector;
  const op = `delete ${all ? "all servers" : describeSelector(selector)}`;
  if (!all) during(op, () => checkSelector(selector));
  requirePrivileges(op);
  return withLoaded(options, op, (objects) => {
    using netlink = Netlink.open();
    const chosen = all ? objects.records.all() : select(objects, selector, options.ifExists ?? false);
    const removed = removeServers(objects, netlink, chosen, options, op);
    recoverChanges(objects, netlink, options);
    if (all) tidyRecords(objects, options);
    return removed;
  });
}

function select(objects: Objects, selector: ServerSelector, ifExists: boolean): ServerRecord[] {
  if (!ifExists) return [requireServer(objects, selector)];
  const found = findServer(objects, selector);
  return found === undefined ? [] : [found];
}

/** Removes every one of them, whatever becomes of the others. Returns those removed as they were. */
export function removeServers(
  objects: Objects,
  netlink: Netlink,
  records: readonly ServerRecord[],
  options: HostOptions,
  op: string,
): Server[] {
  const failures: unknown[] = [];
  const removed: Server[] = [];
  for (const record of records) {
    const server = toServer(record, hasHostPeer(objects, record, netlink), namesOf(netlink));
    try {
      removeServer(objects, netlink, record, options);
      removed.push(server);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    const messages = failures.map((error) => (error instanceof Error ? error.message : String(error)));
    throw new DatapathError("FAILED", op, messages.join("; "), {
      cause: new AggregateError(failures, "removing servers failed"),
    });
  }
  return removed;
}
