import { Netlink } from "@dp/netlink";
import { presentServer } from "./freeze-server.ts";
import type { HostOptions } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { withLoaded } from "./pins/open.ts";
import { recoverChanges } from "./server/remove.ts";
import { checkSelector, describeSelector, type ServerSelector } from "./server/select.ts";
import { blockName, type Server, toServer } from "./server/server.ts";
import { Transaction } from "./transaction.ts";

/** All of it can be written as JSON. */
export interface ThawedServer extends Server {
  /** Whether it was frozen. */
  thawed: boolean;
}

/**
 * Lets players in again, and the container out: the reverse of `freezeServer`, also of one that did not finish. One
 * that is not frozen stays as it is. What players sent is counted from zero again.
 *
 * @throws DatapathError `NO_SUCH_SERVER`, `NOT_LOADED`; `FAILED` when the container is gone
 */
export async function thawServer(selector: ServerSelector, options: HostOptions = {}): Promise<ThawedServer> {
  const op = `thaw ${describeSelector(selector)}`;
  checkSelector(selector, op);
  requirePrivileges(op);
  return withLoaded(options, op, (objects) => {
    using host = Netlink.open();
    recoverChanges(objects, host, options);
    // What a freeze that was killed has left may refuse connections still.
    objects.sweep();
    const { record, hostPeer } = presentServer(objects, host, selector, op);
    const name = blockName(record);
    if (record.state !== "frozen") return { ...toServer(record, hostPeer), thawed: false };

    const endpoint = { address: record.publicAddress, port: record.hostPort };
    const active = { ...record, state: "active" } as const;
    Transaction.run(op, options.onStep, (transaction) => {
      transaction.step(
        "dnat entry",
        () => {
          if (objects.getDnatTarget(endpoint) !== undefined) return false;
          objects.addDnatTarget(endpoint, {
            hostPeer: hostPeer.index,
            containerAddress: record.veth.podPeer.addr,
            gamePort: record.gamePort,
            containerMac: record.veth.podPeer.iface.mac,
          });
          return true;
        },
        (added) => added && objects.delDnatTarget(endpoint),
      );
      // Last, and in one: connections that are allowed again could not be refused anew without knowing the cgroup. The
      // record goes after them, so that a server whose connections are refused never looks active.
      transaction.step("allow connections", () => {
        objects.unblockIp4Connections({ name });
        objects.unblockIp6Connections({ name });
        objects.addNetData(active, "replace");
      });
    });
    return { ...toServer(active, hostPeer), thawed: true };
  });
}
