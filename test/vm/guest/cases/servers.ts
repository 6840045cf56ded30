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
      (await net.dp.list()).map(({ id, forwards: [{ port }], name, state }) => ({ id, port, name, state })),
      [LOBBY, GAMES].map(({ port, container }, index) => ({ id: index + 1, port, name: container, state: "active" })),
    );
  },
};
