import { deepEqual, equal } from "node:assert/strict";
import { NetworkNamespace } from "../../../e2e/topology/namespace.ts";
import { converse, refusal, serve } from "../../../e2e/traffic/traffic.ts";
import type { Case } from "../case.ts";
import { settled } from "../settled.ts";
import { SPARE } from "../world.ts";

interface NamedServer {
  readonly id: number;
  readonly name: string;
}

export const repair: Case = {
  name: "container killed, server removed",
  async run(world) {
    const { dp, host } = world.net;
    const { port } = SPARE;
    const before = await settled(world);
    let hostPeer = "";
    {
      await using mortal = await NetworkNamespace.create("mortal", "container");
      hostPeer = (await dp.addServer(port, mortal, "--name", "mortal")).hostPeer.name;
      await serve(mortal);
      await using _playing = await converse(world.player, { port });
    }
    // Its processes and its namespace are gone; the kernel takes that apart when it finds the time.
    const interfaceGone = async () => (await host.links()).every(({ ifname }) => ifname !== hostPeer);
    while (!(await interfaceGone())) await Bun.sleep(200);
    const { code, stdout } = await dp.run("status", "--json");
    equal(code, 1);
    const { findings } = JSON.parse(stdout) as { findings: { server?: NamedServer }[] };
    deepEqual(namesOf(findings.flatMap(({ server }) => server ?? [])), ["mortal"]);
    const { removedServers } = await dp.json<{ removedServers: NamedServer[] }>("repair");
    deepEqual(namesOf(removedServers), ["mortal"]);
    deepEqual(await settled(world), before);
    equal(await refusal(world.player, { port }), "ECONNREFUSED");
  },
};

function namesOf(servers: readonly NamedServer[]): string[] {
  return servers.map(({ name }) => name);
}
