import type { ServerRecord } from "@dp/core";
import { removeBy, problem, serverProblem } from "../../repair/problem.ts";
import type { Removal, ServerPart } from "./part.ts";

/** The programs that refuse the connections of a frozen server's container. `freezeServer` adds them. */
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
    // Removing a pending server removes its blocks.
    const known = new Set(records.filter(({ state }) => state !== "active").map(blockName));
    return blocks.flatMap(({ name, ipVersion, path }) => {
      if (known.has(name)) return [];
      const what = `orphaned pin ${path}: it refuses connections, and no frozen server has it`;
      const remedy = removeBy(() =>
        ipVersion === 4 ? objects.unblockIp4Connections({ name }) : objects.unblockIp6Connections({ name }),
      );
      return problem({ code: "orphaned-block", severity: "error", what }, remedy);
    });
  },
};

/** The name of a server's connection blocks. They are found by it, also when the cgroup is gone. */
export function blockName({ hostPeer }: Pick<ServerRecord, "hostPeer">): string {
  return hostPeer.name;
}

export function allowConnections({ objects, record }: Pick<Removal, "objects"> & { record: ServerRecord }): void {
  const name = blockName(record);
  objects.unblockIp4Connections({ name });
  objects.unblockIp6Connections({ name });
}
