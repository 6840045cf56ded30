/** A proxy in user space: it receives and sends every byte again, and the server sees the host's address. */
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "@dp/test-kit/program.ts";
import type { Contender } from "./contender.ts";
import { publicTargets } from "./kernel.ts";
import { GAME_PORT } from "./ports.ts";
import { PUBLIC_ADDRESS } from "./world.ts";

const SETTINGS = `global
  maxconn 2000
  nbthread 1
defaults
  mode tcp
  option splice-auto
  timeout connect 10s
  timeout client 1m
  timeout server 1m
`;

export const haproxy: Contender = {
  name: "haproxy",
  async prepare(world, ports, load) {
    await world.wire();
    const file = join(tmpdir(), `${world.host.name}.haproxy`);
    world.made.defer(() => rmSync(file));
    const listeners = ports.all.map(
      ({ port, address }) => `listen p${port}
  bind ${PUBLIC_ADDRESS}:${port}
  server s ${address}:${GAME_PORT}
`,
    );
    writeFileSync(file, SETTINGS + listeners.join(""));
    await world.serve(load);
    world.work(["haproxy", "-db", "-f", file]);
    return publicTargets(ports);
  },
  version: async () => ["haproxy", /version ([\d.]+)/.exec(await must(["haproxy", "-v"]))?.[1] ?? "?"],
};
