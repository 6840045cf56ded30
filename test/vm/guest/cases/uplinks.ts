import { deepEqual, equal } from "node:assert/strict";
import { type Internet, PUBLIC_ADDRESS } from "../../../e2e/topology/internet.ts";
import { converse, refusal, transfer } from "../../../e2e/traffic/traffic.ts";
import type { Case } from "../case.ts";
import { activeSlave, addBond, addVlan, arrivedAt, BOND, VLAN } from "../uplinks.ts";
import { GAMES, LOBBY, SPARE, type World } from "../world.ts";

const BYTES = 4 << 20;

/** Servers at three doors of one host: in, and out again, each by its own. */
const PLACES = [
  { ...SPARE, address: VLAN.address, wire: VLAN.wire },
  { ...LOBBY, address: PUBLIC_ADDRESS, wire: "lan" },
  { ...GAMES, address: BOND.address, wire: BOND.wire },
] as const;
type Place = (typeof PLACES)[number];
const [IN_VLAN, PLAIN, ON_BOND] = PLACES;

export const uplinks: readonly Case[] = [
  {
    name: "VLAN uplink",
    async run(world) {
      const { dp } = world.net;
      await addVlan(world.net);
      await dp.must("del-server", "--all");
      // Without the interface it is on: who comes in there is none of a server's players.
      await load(world, [VLAN.iface]);
      await settle(world, IN_VLAN);
      await bytesArrive(world, IN_VLAN);
      equal(await refusal(world.player, { port: IN_VLAN.port }), "ECONNREFUSED");

      // With it.
      await using playing = await converse(world.player, IN_VLAN);
      await load(world, [VLAN.iface, "eth0"]);
      await settle(world, PLAIN);
      for (const place of [IN_VLAN, PLAIN]) await bytesArrive(world, place);
      await playing.event("echo", playing.events.length + 1);
    },
  },
  {
    name: "bond uplink",
    async run(world) {
      const { host, router } = world.net;
      await addBond(world.net);
      await load(world, [VLAN.iface, "eth0", BOND.iface]);
      await settle(world, ON_BOND);
      for (const place of PLACES) await bytesArrive(world, place);

      // Its one wire is cut, then its other.
      await using playing = await converse(world.player, ON_BOND);
      for (const slave of [await activeSlave(host), "the other"]) {
        const cut = slave === "the other" ? await activeSlave(host) : slave;
        await router.ip(`link set to-${cut} down`);
        while ((await activeSlave(host)) === cut) await Bun.sleep(100);
        await playing.event("echo", playing.events.length + 1);
        await bytesArrive(world, ON_BOND);
        await router.ip(`link set to-${cut} up`);
      }
    },
  },
];

async function load({ net }: World, ifaces: readonly string[]): Promise<void> {
  // With others than before, new servers may get another address, and dp says so.
  const { code, stdout, stderr } = await net.dp.run("load", "--json", ...ifaces.flatMap((name) => ["--iface", name]));
  equal(code, 0, stderr);
  const { uplinks: loaded } = JSON.parse(stdout) as { uplinks: { name: string }[] };
  deepEqual(
    loaded.map(({ name }) => name),
    ifaces,
  );
}

/** Adds the server of a place, and starts what listens. */
async function settle(world: World, { container, port, address }: Place): Promise<void> {
  await world.net.dp.addServer(port, world.net.container(container), "--address", address);
  await world.serve(container);
}

/** Both ways, and out by the wire they came in by. */
async function bytesArrive({ net, player }: World, place: Place): Promise<void> {
  const before = await arrivedFromHost(net);
  for (const direction of ["download", "upload"] as const) {
    const { sent, received } = await transfer(player, place, direction, BYTES);
    equal(received, sent);
  }
  const after = await arrivedFromHost(net);
  for (const [at, { wire }] of PLACES.entries()) {
    const bytes = (after[at] ?? 0) - (before[at] ?? 0);
    // A transfer's acknowledgements, and what others say meanwhile, are little beside it.
    equal(bytes > BYTES / 2, wire === place.wire, `${bytes} bytes came by ${wire}, to be sent by ${place.wire}`);
  }
}

/** Bytes from the host, by wire, as far as there are such. */
function arrivedFromHost({ router }: Internet): Promise<number[]> {
  return Promise.all(PLACES.map(({ wire }) => arrivedAt(router, wire).catch(() => 0)));
}
