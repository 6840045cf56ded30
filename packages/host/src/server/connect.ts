import type { Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { raiseFreeFrom } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { messageOf, Transaction } from "../transaction.ts";
import { SERVER_PARTS } from "./parts/list.ts";
import type { Addition } from "./parts/part.ts";
import type { ServerPlan } from "./plan.ts";

interface ConnectContext {
  objects: Objects;
  host: Netlink;
  /** In the container's network namespace. */
  inside: Netlink;
  options: HostOptions;
}

/**
 * Connects a container as planned: adds all parts in their order, or none.
 *
 * @returns the record of the server
 */
export function connectServer(plan: ServerPlan, context: ConnectContext, op: string): ServerRecord {
  const { objects, host, options } = context;
  const { changes } = objects.records;
  const { id } = plan.record;
  const addition: Addition = { ...context, netns: plan.netns, mtu: plan.mtu, record: plan.record };
  const undo = (part: (typeof SERVER_PARTS)[number]) =>
    part.remove?.({ objects, host, options, record: addition.record });

  Transaction.run(op, options.onStep, (transaction) => {
    // If something could not be undone, the note and the record stay, and the next change tries again.
    transaction.step(
      "note the change",
      () => changes.begin(id),
      (_, clean) => {
        if (!clean) return;
        objects.records.delete(id);
        changes.remove(id);
      },
    );
    const { hostAddresses } = plan;
    if (hostAddresses !== undefined) {
      transaction.step("host addresses", () => refreshHostAddresses(objects, hostAddresses));
    }
    for (const part of SERVER_PARTS) {
      const { add } = part;
      if (add === undefined) continue;
      transaction.step(
        part.name,
        () => {
          try {
            return add(addition);
          } catch (error) {
            // A part that consists of several entries may be incomplete.
            undo(part);
            throw error;
          }
        },
        (undoPart) => (undoPart === undefined ? undo(part) : undoPart()),
      );
    }
    transaction.step("end the change", () => changes.end(id));
  });
  try {
    raiseFreeFrom(objects, plan.freeFrom);
  } catch (error) {
    // Not an error: only the next search takes longer.
    options.warn?.(messageOf(error));
  }
  return addition.record;
}
