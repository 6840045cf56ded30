import { type Objects, serverLabel, type ServerRecord } from "@dp/core";
import type { Netlink } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { lowerFreeFrom } from "../allocate/first-free.ts";
import type { HostOptions } from "../host-options.ts";
import { attemptAll, messageOf } from "../transaction.ts";
import { SERVER_PARTS } from "./parts/list.ts";
import type { Removal } from "./parts/part.ts";

/**
 * Removes a server: its parts in reverse order, its record last. It also removes an incomplete server, and one whose
 * container is gone. When a part fails, the others are removed all the same.
 *
 * @throws DatapathError `FAILED` with every error in its cause. The record stays then, as pending, and the next change
 *   tries again.
 */
export function removeServer(objects: Objects, host: Netlink, record: ServerRecord, options: HostOptions): void {
  const { changes } = objects.records;
  const removal: Removal = { objects, host, options, record };
  const steps = [
    { step: "note the change", run: () => changes.begin(record.id) },
    ...SERVER_PARTS.toReversed().flatMap(({ name, remove }) =>
      remove === undefined ? [] : { step: `remove: ${name}`, run: () => remove(removal) },
    ),
  ];
  const failures = attemptAll(
    steps.map(({ step, run }) => ({
      step,
      run: () => {
        options.onStep?.(step);
        run();
      },
    })),
  );
  if (failures.length > 0) {
    const what = failures.map(({ step, error }) => `${step} (${messageOf(error)})`).join("; ");
    throw new DatapathError("FAILED", `remove ${serverLabel(record)}`, `not everything could be removed: ${what}`, {
      cause: new AggregateError(
        failures.map(({ error }) => error),
        "removing a server failed",
      ),
      hint: "the next change tries again, and so does this command",
    });
  }
  options.onStep?.("delete record");
  lowerFreeFrom(objects, record);
  objects.records.delete(record.id);
  // The id is free only when no map has it any more.
  changes.remove(record.id);
}
