import { equal } from "node:assert/strict";
import { PLAYER_ADDRESSES } from "../../../e2e/topology/internet.ts";
import { transfer } from "../../../e2e/traffic/traffic.ts";
import type { Case } from "../case.ts";
import { GAMES, LOBBY } from "../world.ts";

const BYTES = 16 << 20;

export const traffic: Case = {
  name: "traffic both ways",
  async run(world) {
    for (const { container, port } of [LOBBY, GAMES]) {
      const server = await world.serve(container);
      for (const direction of ["download", "upload"] as const) {
        const { sent, received } = await transfer(world.player, { port }, direction, BYTES);
        equal(received, sent);
      }
      // The server sees who it is.
      equal((await server.event("connection"))["address"], PLAYER_ADDRESSES[0]);
    }
  },
};
