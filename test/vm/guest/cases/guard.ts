import { equal, notEqual, ok } from "node:assert/strict";
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
    await pastTheHostPeer(world);
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

/**
 * A packet that comes past all programs on the host peer: they are taken off, as a packet of an ifb device passes them.
 * The guard drops it; what was taken off, and a guard that was, is reported and put back.
 */
async function pastTheHostPeer({ net, features }: World): Promise<void> {
  const container = net.container(GAMES.container);
  const servers = await net.dp.json<{ name: string; hostPeer: { name: string } }[]>("list");
  const hostPeer = servers.find(({ name }) => name === GAMES.container)?.hostPeer.name ?? "";
  // A reset from the host's stack says that the packet was delivered.
  const knock = ["timeout", "2", "bash", "-c", `exec 3<>/dev/tcp/${GATEWAY}/4000`];
  const codes = async () => {
    // It fails when a finding is an error.
    const { stdout } = await net.dp.run("status", "--json");
    return (JSON.parse(stdout) as { findings: { code: string }[] }).findings.map(({ code }) => code).sort();
  };
  const detach = async () => {
    if (!features.tcx) await net.host.run(["tc", "qdisc", "delete", "dev", hostPeer, "clsact"]);
    else {
      for (const program of ["arp", "snat", "tproxy_host"]) {
        await must(["bpftool", "link", "detach", "pinned", `${net.dp.pinRoot}/progs/dp_${program}_${hostPeer}`]);
      }
    }
  };
  await detach();
  const before = await container.run(knock);
  notEqual(before.code, 1, `it was answered: ${before.stderr}`);
  ok((await codes()).includes("program-detached"));
  await net.dp.must("repair");
  equal((await codes()).join(), "");

  if (features.netfilter) {
    await must(["bpftool", "link", "detach", "pinned", `${net.dp.pinRoot}/progs/dp_guard_ipv4`]);
  } else {
    const [, table] =
      /^table inet (datapath_guard_\w+)$/m.exec(await must(net.host.inside(["nft", "list", "tables"]))) ?? [];
    await must(net.host.inside(["nft", "delete", "table", "inet", table ?? "none"]));
  }
  equal((await codes()).join(), "guard-detached");
  await net.dp.must("repair");
  equal((await codes()).join(), "");
}

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
