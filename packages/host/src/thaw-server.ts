import { Netlink } from "@dp/netlink";
import { during } from "./during.ts";
import { presentServer } from "./freeze-server.ts";
import type { HostOptions } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { namesOf } from "./list.ts";
import { withLoaded } from "./pins/open.ts";
import { allowConnections } from "./server/parts/connection-blocks.ts";
import { writeEndpoints } from "./server/parts/endpoints.ts";
import { recoverChanges } from "./server/recover.ts";
import { checkSelector, describeSelector, type ServerSelector } from "./server/select.ts";
import { type Server, toServer } from "./server/server.ts";
import { Transaction } from "./transaction.ts";

/** All of it can be written as JSON. */
export interface ThawedServer extends Server {
  /** Whether the server was frozen. */
  thawed: boolean;
}

/**
 * Allows connections of players and of the container again: the reverse of `freezeServer`, also of a freeze that did
 * not finish. A server that is not frozen stays as it is.
 *
 * @throws DatapathError `NO_SUCH_SERVER`, `NOT_LOADED`; `FAILED` when the container is gone
 */
export async function thawServer(selector: ServerSelector, options: HostOptions = {}): Promise<ThawedServer> {
  const op = `thaw ${describeSelector(selector)}`;
  during(op, () => checkSelector(selector));
  requirePrivileges(op);
  return withLoaded(options, op, (objects) => {
    using host = Netlink.open();
    recoverChanges(objects, host, options);
    // Temporary pins of a killed freeze may still refuse connections.
    objects.sweep();
    const record = presentServer(objects, host, selector);
    const uplinkName = namesOf(host);
    if (record.state !== "frozen") return { ...toServer(record, true, uplinkName), thawed: false };

    const active = { ...record, state: "active" } as const;
    Transaction.run(op, options.onStep, (transaction) => {
      transaction.step(
        "open endpoints",
        () => writeEndpoints(objects, active),
        () => writeEndpoints(objects, record),
      );
      // Last, and in one step: connections that are allowed again cannot be blocked again without knowing the cgroup.
      // The record follows, so that a server whose connections are blocked never looks active.
      transaction.step("allow connections", () => {
        allowConnections({ objects, record });
        objects.records.set(active, "replace");
      });
    });
    return { ...toServer(active, true, uplinkName), thawed: true };
  });
}
