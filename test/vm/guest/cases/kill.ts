import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stateOf } from "../../../e2e/topology/state.ts";
import type { Case } from "../case.ts";
import { SPARE, type World } from "../world.ts";

/** The first and the last of what adding a server pins: it is killed when one of them appears. */
const MOMENTS = ["tproxy_container", "snat"] as const;

/** They come and go by themselves. */
const FLOWS = new Set(["dp_flows", "dp_origins"]);

export const kill: Case = {
  name: "kill and collect",
  async run(world) {
    const { dp, host } = world.net;
    const add = ["add-server", "--port", `${SPARE.port}`, "--netns", SPARE.container];
    await dp.must(...add);
    await dp.must("del-server", "--port", `${SPARE.port}`);
    const before = await settled(world);

    let halfDone = 0;
    for (const program of MOMENTS) {
      await using adding = host.spawn(["env", `DP_PIN_ROOT=${dp.pinRoot}`, "dp", ...add]);
      const pin = join(dp.pinRoot, "progs", `dp_${program}_dp${SPARE.port}`);
      const watch = { ended: false };
      const ended = adding.finished().finally(() => (watch.ended = true));
      while (!existsSync(pin) && !watch.ended) await Bun.sleep(1);
      adding.kill("SIGKILL");
      await ended;
      // The next change clears up, whatever it is about.
      const { code, stderr } = await dp.run("del-server", "--name", "nobody", "--if-exists");
      equal(code, 0, stderr);
      if (stderr.includes("half done")) halfDone += 1;
      // Killed too late.
      else await dp.must("del-server", "--port", `${SPARE.port}`);
      deepEqual(await settled(world), before);
    }
    // Killed too late each time would say nothing.
    ok(halfDone > 0, "none was half done");
    return `${halfDone} of ${MOMENTS.length} were half done`;
  },
};

/** What is there. Not the counters in the maps' values: a container's kernel may say something at any time. */
async function settled(world: World): Promise<Record<string, unknown>> {
  const state = await stateOf(world.net);
  const maps = Object.entries(state["maps"] as Record<string, string[]>);
  const keys = maps.filter(([name]) => !FLOWS.has(name)).map(([name, lines]) => [name, lines.flatMap(keyIn)]);
  return { ...state, maps: Object.fromEntries(keys) as unknown };
}

/** "KEY: VALUE", or of per-CPU maps "KEY: {" and a line for each processor, which begins with a tab. */
function keyIn(line: string): string[] {
  const key = line.slice(0, line.indexOf(": "));
  return /^\t|^}/.test(line) ? [] : [key];
}
