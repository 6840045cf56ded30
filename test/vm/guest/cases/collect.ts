import { deepEqual, equal } from "node:assert/strict";
import { NetworkNamespace } from "../../../e2e/topology/namespace.ts";
import { converse, refusal, serve } from "../../../e2e/traffic/traffic.ts";
import type { Case } from "../case.ts";
import { settled } from "../settled.ts";
import { SPARE } from "../world.ts";

interface Server {
  readonly port: number;
}

export const collect: Case = {
  name: "container killed, collected",
  async run(world) {
    const { dp, host } = world.net;
    const { port } = SPARE;
    const before = await settled(world);
    {
      await using mortal = await NetworkNamespace.create("mortal");
      await dp.addServer(port, mortal, "--name", "mortal");
      await serve(mortal);
      await using _playing = await converse(world.player, { port });
    }
    // Its processes and its namespace are gone; the kernel takes that apart when it finds the time.
    const interfaceGone = async () => (await host.links()).every(({ ifname }) => ifname !== `dp${port}`);
    while (!(await interfaceGone())) await Bun.sleep(200);
    const { code, stdout } = await dp.run("status", "--json");
    equal(code, 1);
    const { findings } = JSON.parse(stdout) as { findings: { server?: Server }[] };
    deepEqual(portsOf(findings.flatMap(({ server }) => server ?? [])), [port]);
    const { collected } = await dp.json<{ collected: Server[] }>("gc");
    deepEqual(portsOf(collected), [port]);
    deepEqual(await settled(world), before);
    equal(await refusal(world.player, { port }), "ECONNREFUSED");
  },
};

function portsOf(servers: readonly Server[]): number[] {
  return servers.map((server) => server.port);
}
