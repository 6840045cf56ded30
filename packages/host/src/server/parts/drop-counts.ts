import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/** The drop counts of the container. Without an entry, its drops are counted with those of no server. */
export const dropCounts: ServerPart = {
  name: "drop counts",
  add: ({ objects, record }) => objects.drops.add(record.id),
  remove: ({ objects, record }) => objects.drops.delete(record.id),
  check({ objects, counted }, record) {
    if (counted.has(record.id)) return [];
    const what = "its drops are not counted";
    const remedy = repairBy(() => objects.drops.add(record.id));
    return [serverProblem(record, { code: "missing-drop-counts", severity: "error", what }, remedy)];
  },
  orphans({ objects, ids, counted }) {
    return [...counted].flatMap((id) => {
      if (ids.has(id)) return [];
      const what = `orphaned drop counts of server ${id}`;
      const remedy = removeBy(() => objects.drops.delete(id));
      return problem({ code: "orphaned-drop-counts", severity: "warning", what }, remedy);
    });
  },
};
