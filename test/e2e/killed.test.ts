/**
 * `dp` killed with SIGKILL between any two changes it makes to the kernel (DP_FAULT, see packages/sys/src/fault.ts),
 * and what is there afterwards:
 *
 *     player ── internet ── host ─┬─ lobby   a server, 25570, that none of it concerns
 *                                 └─ games   what is added, deleted, frozen and thawed, 25571
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Cgroup, removeCgroup } from "@dp/test-kit/cgroup.ts";
import type { Output } from "@dp/test-kit/program.ts";
import { Internet } from "./topology/internet.ts";
import { difference, shapeOf, stateOf } from "./topology/state.ts";

setDefaultTimeout(600_000);

/**
 * DP_E2E_LONG=1: before every change, and from there on both ways, each from the beginning. Else the ways take turns;
 * and of the changes of the commands that have a hundred of them, most alike, every fifth has its turn.
 */
const LONG = process.env["DP_E2E_LONG"] === "1";
/** Of those that would have their turn, only every so many: for a second run, by another mechanism. */
const SPARSE = Number(process.env["DP_E2E_SPARSE"] ?? 1);

const step = (stride = 1) => (LONG ? 1 : stride * SPARSE);

// What is opened once and stays open: libbpf, libc, the kernel's BTF.
beforeAll(async () => {
  await using net = await Internet.create();
  await stateOf(net);
});

const CGROUP = new Cgroup().path;
afterAll(() => removeCgroup(CGROUP));

class World implements AsyncDisposable {
  readonly net: Internet;
  constructor(net: Internet) {
    this.net = net;
  }
  static async create() {
    return new World(await Internet.create({ containers: ["lobby", "games"] }));
  }

  /** Runs `dp`; it must succeed, whatever it warns of. */
  async dp(...args: string[]): Promise<Output> {
    const output = await this.net.dp.run(...args);
    if (output.code !== 0) throw new Error(`dp ${args.join(" ")}: exit status ${output.code}\n${output.stderr}`);
    return output;
  }

  async shape(): Promise<string[]> {
    return shapeOf(await stateOf(this.net));
  }

  /** What `dp status` finds wrong, too. */
  async complaints(): Promise<string[]> {
    const { code, stdout, stderr } = await this.net.dp.run("status");
    // 3: nothing is loaded, which is all right here.
    return code === 0 || code === 3 ? [] : [`dp status: exit status ${code}`, stdout, stderr];
  }

  async servers(): Promise<string[]> {
    const { code, stdout } = await this.net.dp.run("list", "--json");
    return code === 3
      ? []
      : (JSON.parse(stdout) as { name: string; state: string }[]).map((s) => `${s.name} ${s.state}`);
  }

  /** Runs `dp` with a fault. Where it was killed; undefined when it came to its end. */
  async fault(fault: string, args: readonly string[]): Promise<{ killed: string | undefined; output: Output }> {
    const output = await this.net.dp.runIn({ DP_FAULT: fault }, ...args);
    if (output.code !== 128 + 9) return { killed: undefined, output };
    return { killed: /^killed before (.*)$/m.exec(output.stderr)?.[1] ?? "somewhere", output };
  }

  [Symbol.asyncDispose]() {
    return this.net[Symbol.asyncDispose]();
  }
}

const ADD_LOBBY = ["add-server", "--port", "25570", "--netns", "lobby", "--name", "lobby"];
const ADD_GAMES = ["add-server", "--port", "25571", "--netns", "games", "--name", "games"];

interface Scenario {
  command: string[];
  /** From nothing at all to where the command begins. */
  before: string[][];
  /** From where the command leads to where it began. */
  back: string[][];
  /** What leads to the end from wherever it was killed. Default: the command itself. */
  again?: string[][];
  /** It may also be found done in part, as these do it. */
  parts?: string[][];
  /** Only every so many changes are tried, unless all are to be. */
  stride?: number;
  /** Half done, `dp repair` leaves it to the operator whether it is finished or undone. */
  undecided?: boolean;
}

const FREEZE = ["freeze", "25571", "--cgroup", CGROUP];
const THAW = ["thaw", "25571"];
const DELETE = ["del-server", "25571"];

const SCENARIOS: Record<string, Scenario> = {
  "a first load": { command: ["load"], before: [], back: [["unload"]], stride: 5 },
  "a load over another": { command: ["load"], before: [["load"], ADD_LOBBY, ADD_GAMES], back: [], stride: 5 },
  "add-server": { command: ADD_GAMES, before: [["load"], ADD_LOBBY], back: [DELETE] },
  "del-server": {
    command: DELETE,
    before: [["load"], ADD_LOBBY, ADD_GAMES],
    back: [ADD_GAMES],
    again: [[...DELETE, "--if-exists"]],
  },
  freeze: { command: FREEZE, before: [["load"], ADD_LOBBY, ADD_GAMES], back: [THAW], undecided: true },
  thaw: { command: THAW, before: [["load"], ADD_LOBBY, ADD_GAMES, FREEZE], back: [FREEZE], undecided: true },
  "unload --force": {
    command: ["unload", "--force"],
    before: [["load"], ADD_LOBBY, ADD_GAMES],
    back: [["load"], ADD_LOBBY, ADD_GAMES],
    parts: [
      ["del-server", "lobby"],
      ["del-server", "games"],
    ],
    stride: 5,
  },
};

/** The states a command leads from, through and to. */
interface Stations {
  start: string[];
  /** Before the end: after the command, or a part of it, was done. */
  done: string[][];
  end: string[];
}

async function explore(world: World, { command, before, back, parts = [] }: Scenario): Promise<Stations> {
  for (const args of before) await world.dp(...args);
  const start = await world.shape();
  const done: string[][] = [];
  for (const args of parts) {
    await world.dp(...args);
    done.push(await world.shape());
  }
  await world.dp(...command);
  const end = await world.shape();
  for (const args of back) await world.dp(...args);
  expect(difference(start, await world.shape())).toEqual([]);
  return { start, done: [...done, end], end };
}

/** What is wrong after a kill, when `dp repair` is run or when the command is run again, and after the way back. */
async function survive(
  world: World,
  { command, back, again = [command], undecided = false }: Scenario,
  { start, done, end }: Stations,
  way: "repair" | "again",
): Promise<string[]> {
  if (way === "repair") {
    const { code, stdout, stderr } = await world.net.dp.run("repair");
    const now = await world.shape();
    const whole = done.some((each) => difference(each, now).length === 0);
    const wrong = whole ? [] : difference(start, now);
    if (!undecided) wrong.push(...(await world.complaints()));
    if (!undecided && (code !== 0 || wrong.length > 0))
      return [`dp repair: exit status ${code}`, stdout, stderr, ...wrong];
  }
  for (const args of again) {
    const { code, stderr } = await world.net.dp.run(...args);
    // Refused, because it had been done before it was killed.
    const committed = code === 5 && command === ADD_GAMES && (await world.servers()).includes("games active");
    if (code !== 0 && !committed) return [`dp ${args.join(" ")}: exit status ${code}`, stderr];
  }
  const wrong = difference(end, await world.shape());
  if (wrong.length > 0) return wrong;
  for (const args of back) await world.dp(...args);
  return LONG ? difference(start, await world.shape()) : [];
}

describe("killed before any change it makes", () => {
  test.each(Object.entries(SCENARIOS))("%s", async (name, scenario) => {
    const wrong: Record<string, string[]> = {};
    let world = await World.create();
    try {
      let stations = await explore(world, scenario);
      let kills = 0;
      for (let at = 1; ; at += step(scenario.stride)) {
        const ways = ["repair", "again"] as const;
        for (const way of LONG ? ways : [ways[kills % 2] as (typeof ways)[number]]) {
          const { killed, output } = await world.fault(`kill:${at}`, scenario.command);
          if (killed === undefined) {
            expect(output).toMatchObject({ code: 0 });
            expect(kills).toBeGreaterThan(4);
            console.log(`${name}: killed ${kills} times`);
            expect(wrong).toEqual({});
            return;
          }
          kills += 1;
          const complaints = await survive(world, scenario, stations, way);
          if (complaints.length === 0) continue;
          wrong[`${killed}, then ${way}`] = complaints;
          await world[Symbol.asyncDispose]();
          world = await World.create();
          stations = await explore(world, scenario);
        }
      }
    } finally {
      await world[Symbol.asyncDispose]();
    }
  });
});

describe("a change that fails, whichever it is, leaves what was there before", () => {
  // Removing goes on past what fails, and leaves the rest to the next command. So does thawing in its last step:
  // connections that are allowed again could not be refused anew.
  const reversible = ["a first load", "a load over another", "add-server", "freeze"];
  test.each(reversible)("%s", async (name) => {
    const scenario = SCENARIOS[name] as Scenario;
    await using world = await World.create();
    const { start, end } = await explore(world, scenario);
    const wrong: Record<string, string[]> = {};
    let failures = 0;
    for (let at = 1; ; at += step(scenario.stride)) {
      const { output } = await world.fault(`fail:${at}`, scenario.command);
      const shape = await world.shape();
      const complaints = difference(output.code === 0 ? end : start, shape);
      if (complaints.length > 0) wrong[`${at}: ${output.stderr}`] = complaints;
      if (output.code === 0 && !output.stderr.includes("a test makes it fail")) break;
      if (output.code === 0) for (const args of scenario.back) await world.dp(...args);
      failures += 1;
    }
    expect(wrong).toEqual({});
    expect(failures).toBeGreaterThan(4);
  });
});

describe("killed while it takes back what it did before it failed", () => {
  test.each(["a first load", "add-server"])("%s", async (name) => {
    const scenario = SCENARIOS[name] as Scenario;
    await using world = await World.create();
    const stations = await explore(world, scenario);
    const last = await lastChange(world, scenario);
    let kills = 0;
    for (let at = last + 1; ; at += step(scenario.stride ?? 3)) {
      const { killed, output } = await world.fault(`fail:${last},kill:${at}`, scenario.command);
      if (killed === undefined) {
        expect(output).toMatchObject({ code: 1, stderr: expect.stringContaining("a test makes it fail") });
        break;
      }
      const way = kills % 2 === 0 ? "repair" : "again";
      expect([killed, ...(await survive(world, scenario, stations, way))]).toEqual([killed]);
      kills += 1;
    }
    expect(kills).toBeGreaterThan(4);
  });
});

/** The number of the last change a command makes. It is done and taken back again. */
async function lastChange(world: World, { command, back }: Scenario): Promise<number> {
  let [done, beyond] = [1, 512];
  while (beyond - done > 1) {
    const middle = (done + beyond) >> 1;
    const { output } = await world.fault(`fail:${middle}`, command);
    if (output.code !== 0) done = middle;
    else {
      beyond = middle;
      for (const args of back) await world.dp(...args);
    }
  }
  return done;
}
