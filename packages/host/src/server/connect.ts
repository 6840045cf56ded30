import type { Objects, ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { raiseFreeFrom } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { refreshHostAddresses } from "../interfaces/host-addresses.ts";
import { messageOf, Transaction } from "../transaction.ts";
import { SERVER_PARTS } from "./parts/list.ts";
import type { Addition } from "./parts/part.ts";
import type { ServerPlan } from "./plan.ts";

interface Means {
  objects: Objects;
  host: Netlink;
  /** In the container's network namespace. */
  inside: Netlink;
  options: HostOptions;
}

/**
 * Connects a container as planned: all its parts, in their order, or none.
 *
 * @returns the record of the server
 */
export function connectServer(plan: ServerPlan, means: Means, op: string): ServerRecord {
  const { objects, host, options } = means;
  const { changes } = objects.records;
  const { id } = plan.record;
  const addition: Addition = { ...means, netns: plan.netns, mtu: plan.mtu, record: plan.record };
  const undo = (part: (typeof SERVER_PARTS)[number]) =>
    part.remove?.({ objects, host, options, record: addition.record });

  Transaction.run(op, options.onStep, (transaction) => {
    // With something left, the note and the record stay: the next change tries again.
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
            // A part of several entries may be there in part.
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
    // The server is there, and the next search takes longer.
    options.warn?.(messageOf(error));
  }
  return addition.record;
}
