import type { Objects, ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { checkPort } from "./check-input.ts";
import { hostAddresses, refreshHostAddresses } from "./host-addresses.ts";
import type { HostOptions } from "./host-options.ts";
import { withLoaded } from "./pin-root.ts";
import { requirePrivileges } from "./privileges.ts";
import { removeServer, recoverServers } from "./remove.ts";
import { type Server, toServer } from "./server.ts";

/** Which servers: one by its host port or its name, or all. */
export type ServerSelector = { port: number } | { name: string } | { all: true };

export interface DelServerOptions extends HostOptions {
  /** One that is not there is no failure. Default false. */
  ifExists?: boolean | undefined;
}

/**
 * Takes servers out, whatever is left of them: it also works when the container is gone.
 *
 * @returns those that were removed, as they were
 * @throws DatapathError `NO_SUCH_SERVER`, `NOT_LOADED`; `FAILED` when something could not be removed, after everything
 *   else was
 */
export async function delServer(selector: ServerSelector, options: DelServerOptions = {}): Promise<Server[]> {
  const op = `delete ${describe(selector)}`;
  if ("port" in selector) checkPort(selector.port, "the port", op);
  requirePrivileges(op);
  return withLoaded(options, op, (objects) => {
    using netlink = Netlink.open();
    const chosen = select(objects, selector, options.ifExists ?? false, op);
    const removed = removeServers(objects, netlink, chosen, options, op);
    recoverServers(objects, netlink, options);
    objects.sweep();
    refreshHostAddresses(objects, hostAddresses(netlink, objects.netData()));
    return removed;
  });
}

function describe(selector: ServerSelector): string {
  if ("port" in selector) return `server ${selector.port}`;
  return "name" in selector ? `server ${selector.name}` : "all servers";
}

function select(objects: Objects, selector: ServerSelector, ifExists: boolean, op: string): ServerRecord[] {
  const records = objects.netData();
  if ("all" in selector) return records;
  const found = records.find((record) =>
    "port" in selector ? record.hostPort === selector.port : record.name === selector.name,
  );
  if (found !== undefined) return [found];
  if (ifExists) return [];
  const reason = "port" in selector ? `there is no server on port ${selector.port}` : "there is no server of that name";
  throw new DatapathError("NO_SUCH_SERVER", op, reason, { hint: "`dp list` shows those there are" });
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
    const { index } = record.veth.hostPeer.iface;
    const server = toServer(record, index === 0 ? undefined : netlink.link(index));
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
