import { deepEqual } from "node:assert/strict";
import type { Case } from "../case.ts";
import { GAMES, LOBBY } from "../world.ts";

export const servers: Case = {
  name: "two servers",
  async run({ net }) {
    for (const { container, port } of [LOBBY, GAMES]) {
      await net.dp.addServer(port, net.container(container), "--name", container);
    }
    deepEqual(
      (await net.dp.list()).map(({ port, name, state }) => ({ port, name, state })),
      [LOBBY, GAMES].map(({ port, container }) => ({ port, name: container, state: "active" })),
    );
  },
};
