import { repairBy, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/**
 * The pending record, with its index entries: name, namespace and closed endpoints. {@link removeServer} deletes it
 * after all other parts.
 */
export const record: ServerPart = {
  name: "record pending",
  add: ({ objects, record: pending }) => objects.records.set(pending, "create"),
  check({ objects }, server) {
    const { groups } = objects.records;
    if (groups.find(server.group) !== undefined) return [];
    const what = `its group ${server.group} has no number`;
    const remedy = repairBy(() => groups.of(server.group));
    return [serverProblem(server, { code: "missing-group-number", severity: "error", what }, remedy)];
  },
};

/** The record becomes active. Removing begins with making it pending again. */
export const recordActive: ServerPart = {
  name: "record active",
  add(addition) {
    addition.record = { ...addition.record, state: "active" };
    addition.objects.records.set(addition.record, "replace");
  },
  remove({ objects, record: server }) {
    // From now on, if the command is killed, the next command removes the server.
    const stored = objects.records.get(server.id);
    if (stored !== undefined) objects.records.set({ ...stored, state: "pending" }, "replace");
  },
};
