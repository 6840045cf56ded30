import { deepEqual, equal } from "node:assert/strict";
import { must } from "@dp/test-kit/program.ts";
import { stateOf } from "../../../e2e/topology/state.ts";
import type { Case } from "../case.ts";
import { removeUplinks } from "../uplinks.ts";
import { GAMES, LOBBY, SPARE } from "../world.ts";

export const unload: readonly Case[] = [
  {
    name: "unload",
    async run(world) {
      const { dp } = world.net;
      equal((await dp.run("unload")).code, 5);
      await dp.must("del-server", "--all");
      for (const { container } of [LOBBY, GAMES, SPARE]) await world.stopServing(container);
      await dp.must("unload");
      await removeUplinks(world.net);
    },
  },
  {
    name: "nothing left",
    async run(world) {
      // The containers' loopback stays up, and the bpffs mounted.
      const { mounts: _, ...rest } = await stateOf(world.net);
      const { mounts: __, ...untouched } = world.untouched;
      deepEqual(rest, untouched);
      // The kernel frees programs in the background.
      for (let look = 0; look < 60; look++) {
        if ((await programs()).length === 0) return;
        await Bun.sleep(500);
      }
      deepEqual(await programs(), []);
    },
  },
];

/** Those of datapath's that are loaded, attached or not. */
async function programs(): Promise<string[]> {
  const all = JSON.parse(await must(["bpftool", "--json", "prog", "list"])) as { name?: string }[];
  return all.flatMap(({ name = "" }) => (name.startsWith("dp_") ? [name] : []));
}
