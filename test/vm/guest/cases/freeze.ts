import { equal } from "node:assert/strict";
import { converse, refusal } from "../../../e2e/traffic/traffic.ts";
import type { Case } from "../case.ts";
import { LOBBY } from "../world.ts";

export const freeze: Case = {
  name: "freeze and thaw",
  async run(world) {
    const { port, container } = LOBBY;
    const { dp } = world.net;
    await world.serve(container);
    await using playing = await converse(world.player, { port });
    const { code, stderr } = await dp.run("freeze", `${port}`);
    equal(code, 0, stderr);
    await playing.event("failed");
    equal(await refusal(world.player, { port }), "ECONNREFUSED");
    await dp.must("thaw", `${port}`);
    await using again = await converse(world.player, { port });
    await again.event("echo", 2);
    return world.features.sockDestroy ? undefined : "by sock_diag";
  },
};
