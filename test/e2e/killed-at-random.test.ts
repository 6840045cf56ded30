/**
 * Random commands, each killed with SIGKILL at a random time, one after the other on one host with four containers:
 *
 *     internet ── host ═╤═ c0 ... c3
 *
 * Whatever was reported done stays done, and what was not is there as a whole or not at all.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Cgroup, removeCgroup } from "@dp/test-kit/cgroup.ts";
import type { Output } from "@dp/test-kit/program.ts";
import { DP, type Server } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";
import { difference, shapeOf, stateOf } from "./topology/state.ts";

setDefaultTimeout(1_800_000);

const KILLS = process.env["DP_E2E_LONG"] === "1" ? 300 : 60;
/** How many kills there are from one look at everything to the next. */
const ROUND = 6;
const CONTAINERS = ["c0", "c1", "c2", "c3"];

const SEED = Number(process.env["DP_E2E_SEED"] ?? Date.now() % 1_000_000);

/** Mulberry32: the same numbers for the same seed, to look at a failure again (as far as time repeats itself). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

const CGROUP = new Cgroup().path;
beforeAll(async () => {
  await using net = await Internet.create();
  await stateOf(net);
});
afterAll(() => removeCgroup(CGROUP));

const port = (container: string) => `${25570 + CONTAINERS.indexOf(container)}`;

/** What is known of each container's server: after a command that was killed, nothing of those it was about. */
type Known = Map<string, "there" | "not there" | "unknown">;

interface Command {
  args: string[];
  /** Whose servers it adds or takes out, and what it makes of them. */
  about: string[];
  makes?: "there" | "not there";
}

function choose(random: () => number): Command {
  const container = CONTAINERS[Math.floor(random() * CONTAINERS.length)] as string;
  const add = ["add-server", "--port", port(container), "--netns", container, "--name", container];
  const commands: [weight: number, Command][] = [
    [6, { args: add, about: [container], makes: "there" }],
    [4, { args: ["del-server", port(container), "--if-exists"], about: [container], makes: "not there" }],
    [4, { args: ["load"], about: [] }],
    [2, { args: ["freeze", port(container), "--cgroup", CGROUP], about: [] }],
    [2, { args: ["thaw", port(container)], about: [] }],
    [2, { args: ["repair"], about: [] }],
    [1, { args: ["del-server", "--all"], about: CONTAINERS, makes: "not there" }],
    [2, { args: ["unload", "--force"], about: CONTAINERS, makes: "not there" }],
  ];
  let at = random() * commands.reduce((sum, [weight]) => sum + weight, 0);
  return (commands.find(([weight]) => (at -= weight) < 0) ?? (commands[0] as (typeof commands)[number]))[1];
}

/** How long each command took when it was not killed, in milliseconds: that is when to kill the next of its kind. */
const durations = new Map<string, number>();

async function runUntil(net: Internet, { args }: Command, share: number | undefined): Promise<Output> {
  const kind = args[0] as string;
  const start = performance.now();
  await using program = net.host.spawn(["env", `DP_PIN_ROOT=${net.dp.pinRoot}`, DP, ...args]);
  const timer =
    share === undefined ? undefined : setTimeout(() => program.kill("SIGKILL"), share * (durations.get(kind) ?? 100));
  const output = await program.finished();
  clearTimeout(timer);
  if (output.code !== 128 + 9) durations.set(kind, performance.now() - start);
  return output;
}

/** Done; not loaded; no such server; there already. */
const EXPECTED = [0, 3, 4, 5];

test(`killed at ${KILLS} random times: what was done stays, and nothing else is left (DP_E2E_SEED=${SEED})`, async () => {
  const random = randomNumbers(SEED);
  await using net = await Internet.create({ containers: CONTAINERS });
  const shape = async () => shapeOf(await stateOf(net));
  await net.dp.must("load");
  await net.dp.must("unload");
  const nothing = await shape();
  const known: Known = new Map(CONTAINERS.map((container) => [container, "not there"]));
  const log: string[] = [];

  for (let kills = 0; kills < KILLS;) {
    const command = choose(random);
    // A little beyond the end, so that some are not killed at all.
    const { code, stderr } = await runUntil(net, command, random() * 1.1);
    const killed = code === 128 + 9;
    log.push(`${command.args.join(" ")}: ${killed ? "killed" : code} ${stderr}`.trim());
    const done = code === 0;
    for (const container of command.about) {
      if (killed || done) known.set(container, killed ? "unknown" : (command.makes ?? "unknown"));
    }
    // A frozen server whose freezing did not finish is all that dp repair leaves to the operator.
    const fine = killed || EXPECTED.includes(code) || (command.args[0] === "repair" && stderr === "");
    expect([...log.slice(-2 * ROUND), fine]).toEqual([...log.slice(-2 * ROUND), true]);
    if (killed && ++kills % ROUND === 0) await inspect(net, known, log.slice(-2 * ROUND));
  }

  expect((await runUntil(net, { args: ["unload", "--force"], about: [] }, undefined)).code).toBe(0);
  expect(difference(nothing, await shape())).toEqual([]);
});

/**
 * After `dp repair` there are exactly the servers that are known to be there, perhaps unknown ones, and all are whole.
 */
async function inspect(net: Internet, known: Known, log: readonly string[]): Promise<void> {
  // Repairs first: a pending server counts for nothing.
  await net.dp.run("repair");
  const listed = await net.dp.run("list", "--json");
  const loaded = listed.code === 0;
  const servers = loaded ? (JSON.parse(listed.stdout) as Server[]) : [];
  for (const { name, state } of servers) {
    if (state === "frozen") expect(await net.dp.run("thaw", port(name))).toMatchObject({ code: 0 });
  }
  const { code, stdout, stderr } = await net.dp.run("repair");
  expect([...log, code, stdout, stderr]).toEqual([...log, 0, "there was nothing to repair\n", ""]);
  if (loaded) expect([...log, (await net.dp.run("status")).code]).toEqual([...log, 0]);

  const names = new Set(servers.map(({ name }) => name));
  for (const [container, is] of known) {
    if (is !== "unknown")
      expect([...log, container, names.has(container)]).toEqual([...log, container, is === "there"]);
    known.set(container, names.has(container) ? "there" : "not there");
  }
  const interfaces = (await net.host.links()).map(({ ifname }) => ifname).filter((name) => name.startsWith("dp"));
  expect([...log, ...interfaces.sort()]).toEqual([...log, ...servers.map((each) => each.hostPeer.name).sort()]);
  const reserved = await net.host.run(["sysctl", "-n", "net.ipv4.ip_local_reserved_ports"]);
  const ports = reserved.stdout
    .trim()
    .split(",")
    .filter((range) => range !== "")
    .flatMap((range) => {
      const [first, last = first] = range.split("-").map(Number) as [number, number?];
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
  expect([...log, ...ports]).toEqual([...log, ...servers.map(({ forwards: [{ port }] }) => port)]);
}
