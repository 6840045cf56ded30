import { repairBy, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/**
 * The record, with the names it is found by and its endpoints, which are claimed and closed. {@link removeServer}
 * deletes it once all other parts are removed.
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

export const recordActive: ServerPart = {
  name: "record active",
  add(addition) {
    addition.record = { ...addition.record, state: "active" };
    addition.objects.records.set(addition.record, "replace");
  },
  remove({ objects, record: server }) {
    // A command that is killed from here on leaves a server that the next one removes.
    const stored = objects.records.get(server.id);
    if (stored !== undefined) objects.records.set({ ...stored, state: "pending" }, "replace");
  },
};
