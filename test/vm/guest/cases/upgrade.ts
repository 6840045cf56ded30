import { equal } from "node:assert/strict";
import { converse, transfer } from "../../../e2e/traffic/traffic.ts";
import type { Case } from "../case.ts";
import { LOBBY } from "../world.ts";

/** Takes about as long as two loads do. */
const BYTES = 24 << 20;

export const upgrade: Case = {
  name: "upgrade in place",
  async run(world) {
    const { port, container } = LOBBY;
    await world.serve(container);
    await using playing = await converse(world.player, { port });
    const directions = ["download", "upload"] as const;
    const progress = { loads: 0, done: false };
    const transfers = Promise.all(directions.map((each) => transfer(world.player, { port }, each, BYTES)));
    const finished = transfers.finally(() => (progress.done = true));
    while (!progress.done || progress.loads === 0) {
      equal((await world.net.dp.json<{ upgraded: boolean }>("load")).upgraded, true);
      progress.loads += 1;
    }
    for (const { sent, received } of await finished) equal(received, sent);
    await playing.event("echo", playing.events.length + 1);
    return `${progress.loads} ${progress.loads === 1 ? "load" : "loads"}`;
  },
};
