import { ok } from "node:assert/strict";
import { join } from "node:path";
import { must } from "@dp/test-kit/program.ts";
import { GATEWAY } from "../../../e2e/topology/internet.ts";
import type { Case } from "../case.ts";
import { GAMES, LOBBY, type World } from "../world.ts";

const SEND = ["bun", join(import.meta.dirname, "../send.ts")];
const STRANGER = "10.2.77.7";

interface Attempt {
  /** Why it is dropped, as counted. */
  readonly reason: string;
  readonly command: readonly string[];
}

/** What a container's root may try. */
const ATTEMPTS: readonly Attempt[] = [
  { reason: "icmp", command: ["ping", "-c", "1", "-W", "1", GATEWAY] },
  { reason: "udp", command: [...SEND, "udp", GATEWAY, "4000"] },
  { reason: "spoofedAddress", command: [...SEND, "udp", GATEWAY, "53", STRANGER] },
  { reason: "forwardSyn", command: [...SEND, "tcp", GATEWAY, "4000", "25565"] },
  { reason: "vlan", command: ["arping", "-c", "1", "-w", "1", "-I", "eth0.7", "192.0.2.1"] },
];

export const guard: Case = {
  name: "guard",
  async run(world) {
    const { net, features } = world;
    const container = net.container(GAMES.container);
    // What listens has the container port.
    await world.stopServing(GAMES.container);
    await container.ip(`address add ${STRANGER}/32 dev lo`, "link add link eth0 name eth0.7 type vlan id 7");
    await container.ip("address add 192.0.2.2/24 dev eth0.7", "link set eth0.7 up");
    const lobby = (await net.dp.list()).find(({ name }) => name === LOBBY.container)?.addresses.ipv4.container ?? "";
    await dropped(world, [...ATTEMPTS, { reason: "eastWest", command: [...SEND, "tcp", lobby, "25565"] }]);
    await container.ip(`address delete ${STRANGER}/32 dev lo`, "link delete eth0.7");
    if (features.tcx) return;

    // A filter, unlike a link, is the container's to remove. What then comes past it goes nowhere.
    await must(container.inside(["tc", "qdisc", "delete", "dev", "eth0", "clsact"]));
    await dropped(world, [{ reason: "tcp", command: [...SEND, "tcp", GATEWAY, "4000"] }]);
    await net.dp.must("load");
    const filters = await must(container.inside(["tc", "filter", "show", "dev", "eth0", "egress"]));
    // The kernel cuts names at 15 characters.
    ok(filters.includes("dp_tproxy_conta"), filters);
  },
};

/** Runs the commands, and waits until each one's packet was counted. */
async function dropped({ net }: World, attempts: readonly Attempt[]): Promise<void> {
  const before = await drops();
  await Promise.all(attempts.map(({ command }) => net.container(GAMES.container).run(command)));
  const deadline = performance.now() + 30_000;
  for (;;) {
    const now = await drops();
    const missed = attempts.filter(({ reason }) => (now[reason] ?? 0) <= (before[reason] ?? 0));
    if (missed.length === 0) return;
    if (performance.now() > deadline) throw new Error(`not counted: ${missed.map(({ reason }) => reason).join(", ")}`);
  }

  async function drops(): Promise<Record<string, number>> {
    const shown = await net.dp.json<{ drops: Record<string, number> }>("show", GAMES.container);
    return shown.drops;
  }
}
