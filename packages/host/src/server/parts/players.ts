import { removeBy, repairBy, problem, serverProblem } from "../../repair/problem.ts";
import type { ServerPart } from "./part.ts";

/** The server's player table. A new table is empty, also when an earlier server had the same id. */
export const players: ServerPart = {
  name: "players",
  add: ({ objects, record }) => objects.players.add(record.id),
  remove: ({ objects, record }) => objects.players.delete(record.id),
  check({ objects, withPlayers }, record) {
    if (withPlayers.has(record.id)) return [];
    const what = "it has no table of players: its replies are dropped";
    const remedy = repairBy(() => objects.players.add(record.id));
    return [serverProblem(record, { code: "missing-players", severity: "error", what }, remedy)];
  },
  orphans({ objects, ids, withPlayers }) {
    return [...withPlayers].flatMap((id) => {
      if (ids.has(id)) return [];
      const what = `orphaned table of players of server ${id}`;
      const remedy = removeBy(() => objects.players.delete(id));
      return problem({ code: "orphaned-players", severity: "warning", what }, remedy);
    });
  },
};
