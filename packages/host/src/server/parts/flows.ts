import { removeBy, problem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/** The flows of the container. Programs create them; this part only removes them. */
export const flows: ServerPart = {
  name: "flows",
  remove: ({ objects, record }) => objects.flows.delete(record.id),
  orphans({ objects, ids }) {
    return [...objects.flows.ids()].flatMap((id) => {
      if (ids.has(id)) return [];
      const what = `orphaned flows of server ${id}`;
      const remedy = removeBy(() => objects.flows.delete(id));
      return problem({ code: "orphaned-flows", severity: "warning", what }, remedy);
    });
  },
};
