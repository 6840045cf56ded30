import { deepEqual, equal, ok } from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../case.ts";
import { settled } from "../settled.ts";
import { SPARE } from "../world.ts";

/** The first and the last of what adding a server pins: it is killed when one of them appears. */
const MOMENTS = ["tproxy_container", "snat"] as const;

export const kill: Case = {
  name: "dp killed halfway",
  async run(world) {
    const { dp, host } = world.net;
    const add = ["add-server", "--port", `${SPARE.port}`, "--netns", SPARE.container];
    await dp.must(...add);
    await dp.must("del-server", `${SPARE.port}`);
    const before = await settled(world);

    let halfDone = 0;
    for (const program of MOMENTS) {
      await using adding = host.spawn(["env", `DP_PIN_ROOT=${dp.pinRoot}`, "dp", ...add]);
      const pins = () => readdirSync(join(dp.pinRoot, "progs")).filter((pin) => pin.startsWith(`dp_${program}_dp`));
      const known = pins().length;
      const watch = { ended: false };
      const ended = adding.finished().finally(() => (watch.ended = true));
      while (pins().length === known && !watch.ended) await Bun.sleep(1);
      adding.kill("SIGKILL");
      await ended;
      // The next change clears up, whatever it is about.
      const { code, stderr } = await dp.run("del-server", "absent", "--if-exists");
      equal(code, 0, stderr);
      if (stderr.includes("leftover of a killed command")) halfDone += 1;
      // Killed too late.
      else await dp.must("del-server", `${SPARE.port}`);
      deepEqual(await settled(world), before);
    }
    // Killed too late each time would say nothing.
    ok(halfDone > 0, "none was half done");
    return `${halfDone} of ${MOMENTS.length} were half done`;
  },
};
