/**
 * Many `dp` at once, as a hosting company's scripts start them:
 *
 *     internet ── host ═╤═ c0      200 containers, each with a `dp` of its own that adds it, and later one
 *                       ├─ ...     that takes it away
 *                       └─ c199
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Output } from "@dp/test-kit/program.ts";
import { DP, type Server } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";
import { difference, shapeOf, stateOf } from "./topology/state.ts";

setDefaultTimeout(900_000);

const COUNT = 200;
/** Containers that come later. */
const LATE = Array.from({ length: 20 }, (_, index) => `late${index}`);
/** Of one process, in MiB: most of the executable is shared by all. */
const MEMORY = 64;

beforeAll(async () => {
  await using net = await Internet.create();
  await stateOf(net);
});

/** As many at once as the memory that is free is good for. */
function atOnce(): number {
  const [, free = "0"] = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  const room = Math.max(8, Math.min(COUNT, Math.floor(Number(free) / 1024 / MEMORY)));
  if (room < COUNT) console.log(`${room} processes at once instead of ${COUNT}: there is no more memory`);
  return room;
}

/** Runs many `dp`, all of which are started before any of them is waited for, as far as there is room. */
async function runAll(net: Internet, commands: readonly (readonly string[])[]): Promise<Output[]> {
  const outputs: Output[] = [];
  const queue = [...commands.entries()];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, args] = next;
      const env = ["env", `DP_PIN_ROOT=${net.dp.pinRoot}`];
      await using program = net.host.spawn([...env, DP, ...args, "--wait", "800"]);
      outputs[index] = await program.finished(800_000);
    }
  };
  await Promise.all(Array.from({ length: atOnce() }, work));
  return outputs;
}

function failures(outputs: readonly Output[]): string[] {
  return outputs.filter(({ code }) => code !== 0).map(({ code, stderr }) => `${code}: ${stderr}`);
}

test("two hundred servers are added, changed about and deleted at once: every one is whole, nothing is left", async () => {
  const names = Array.from({ length: COUNT }, (_, index) => `c${index}`);
  await using net = await Internet.create({ containers: [...names, ...LATE] });
  const seen = [net.host, net.container("c0"), net.container("c199")];
  const shape = async () => shapeOf(await stateOf(net, seen));
  await net.dp.must("load");
  const start = await shape();
  const add = (name: string) => ["add-server", "--port", "auto", "--netns", name, "--name", name, "--json"];
  const remove = (name: string) => ["del-server", name, "--json"];

  const added = await runAll(net, names.map(add));
  expect(failures(added)).toEqual([]);
  const servers = added.map(({ stdout }) => JSON.parse(stdout) as Server);
  const different = (of: (server: Server) => unknown) => new Set(servers.map(of)).size;
  expect(different(({ forwards: [{ port }] }) => port)).toBe(COUNT);
  expect(different(({ addresses }) => addresses.ipv4.container)).toBe(COUNT);
  expect(different(({ addresses }) => addresses.ipv4.gateway)).toBe(COUNT);
  expect(different(({ hostPeer }) => hostPeer.ifindex)).toBe(COUNT);
  expect(new Set(servers.map(({ name }) => name))).toEqual(new Set(names));
  expect(Math.max(...servers.map(({ forwards: [{ port }] }) => port))).toBe(25565 + COUNT - 1);
  const reserved = async () => (await net.host.run(["sysctl", "-n", "net.ipv4.ip_local_reserved_ports"])).stdout.trim();
  expect(await reserved()).toBe(`25565-${25565 + COUNT - 1}`);
  await net.dp.must("status");

  // Half of them go while others come, and everything is loaded and collected in between.
  const leaving = names.filter((_, index) => index % 2 === 0);
  const loads = [["load"], ["repair"], ["load"], ["repair"]];
  const mixed = [...leaving.map(remove), ...LATE.map(add), ...loads].toSorted(() => Math.random() - 0.5);
  expect(failures(await runAll(net, mixed))).toEqual([]);
  const left = [...names.filter((name) => !leaving.includes(name)), ...LATE];
  expect((await net.dp.list()).map(({ name }) => name).sort()).toEqual([...left].sort());
  await net.dp.must("status");

  expect(failures(await runAll(net, left.map(remove)))).toEqual([]);
  expect(await net.dp.list()).toEqual([]);
  expect(await reserved()).toBe("");
  expect(difference(start, await shape())).toEqual([]);
});

test("who waits in vain for another change is told which process it is, at once if it will not wait", async () => {
  await using net = await Internet.create();
  await net.dp.must("load");
  const holder = net.host.spawn(["flock", "--no-fork", `${net.dp.pinRoot}/progs`, "sleep", "1000"]);
  const held = async () => (await net.dp.run("load", "--wait", "0")).code !== 0;
  while (!(await held())) await Bun.sleep(20);
  const who = `process ${holder.pid} (sleep 1000)`;
  const container = ["--netns", "container"];
  const changes = [
    ["load"],
    ["unload"],
    ["add-server", "--port", "auto", ...container],
    ["del-server", "--all"],
    ["freeze", "1"],
    ["thaw", "1"],
    ["repair"],
  ];
  for (const args of changes) {
    const { code, stdout, stderr } = await net.dp.run(...args, "--wait", "0");
    expect([args, code, stdout]).toEqual([args, 7, ""]);
    expect(stderr).toContain(`${net.dp.pinRoot}/progs: ${who} is changing it\nhint: `);
  }
  const { stderr } = await net.dp.run("del-server", "--all", "--wait", "2");
  expect(stderr).toContain(`warning: waiting for ${who}`);
  expect(stderr).toContain("is changing it, still after 2 s");
  // What only looks does not wait.
  expect(await net.dp.list()).toEqual([]);
  const waiting = net.dp.run("add-server", "--port", "25570", ...container);
  await holder[Symbol.asyncDispose]();
  expect(await waiting).toMatchObject({ code: 0 });
});
