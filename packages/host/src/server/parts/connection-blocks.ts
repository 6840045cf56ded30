import type { ServerRecord } from "@dp/core";
import { removeBy, problem, serverProblem } from "../../repair/problem.ts";
import { blockName } from "../server.ts";
import type { Removal, ServerPart } from "./part.ts";

/** What refuses connections of a frozen server's container. `freezeServer` adds it. */
export const connectionBlocks: ServerPart = {
  name: "allow connections",
  remove: allowConnections,
  check({ blocks }, record) {
    if (record.state !== "frozen") return [];
    const active = blocks.filter(({ name, cgroupId }) => name === blockName(record) && cgroupId !== 0n);
    if (active.length >= 2) return [];
    const what = "it is frozen, and its connections are not refused: its cgroup is gone, or freezing did not finish";
    const fix = `dp freeze ${record.name} again, or dp thaw ${record.name}`;
    return [serverProblem(record, { code: "freeze-incomplete", severity: "error", what }, fix)];
  },
  orphans({ blocks, objects, records }) {
    // A server that is being added or removed takes its blocks along.
    const known = new Set(records.filter(({ state }) => state !== "active").map(blockName));
    return blocks.flatMap(({ name, ipVersion, path }) => {
      if (known.has(name)) return [];
      const what = `orphaned pin ${path}: it refuses connections, and no frozen server has it`;
      const cure = removeBy(() =>
        ipVersion === 4 ? objects.unblockIp4Connections({ name }) : objects.unblockIp6Connections({ name }),
      );
      return problem({ code: "orphaned-block", severity: "error", what }, cure);
    });
  },
};

export function allowConnections({ objects, record }: Pick<Removal, "objects"> & { record: ServerRecord }): void {
  const name = blockName(record);
  objects.unblockIp4Connections({ name });
  objects.unblockIp6Connections({ name });
}
