/**
 * Freezing and thawing servers with real processes in them:
 *
 *     internet ======== host ======== lobby (a process in a cgroup of its own, listening on the container port)
 *                            ======== games (the same again)
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { entriesOf, openPinned, type ServerRecord } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { SocketHolder } from "@dp/test-kit/socket-holder.ts";
import {
  addServer,
  delServer,
  freezeServer,
  type FreezeServerOptions,
  type HostOptions,
  list,
  load,
  repair,
  show,
  status,
  thawServer,
  unload,
} from "../src/index.ts";
import { PUBLIC_ADDRESS, Sandbox } from "./support/sandbox.ts";

requireRoot();

const LOBBY = 25570;
const GAMES = 25571;
const TIMEOUT_MS = 30_000;

let sandbox: Sandbox;
let cgroup: Cgroup;
/** Removed after the processes in them. */
let cgroups: Cgroup[];
let holders: SocketHolder[];
let netns: string;

function makeCgroup(): Cgroup {
  const made = new Cgroup();
  cgroups.push(made);
  return made;
}

async function hold(namespace: string, where?: Cgroup): Promise<SocketHolder> {
  const holder = new SocketHolder(`/run/netns/${namespace}`, where?.path);
  holders.push(holder);
  await holder.waitFor({ what: "ready" });
  return holder;
}

/** A container with a process that listens on the container port. */
async function addListening(port: number, namespace: string, where?: Cgroup): Promise<SocketHolder> {
  const server = await hold(namespace, where);
  server.do("listen", "game", 25565);
  await server.waitFor({ what: "listening" });
  await addServer({ ...sandbox.options, port, netns: namespace });
  return server;
}

beforeEach(async () => {
  sandbox = new Sandbox();
  cgroups = [];
  cgroup = makeCgroup();
  holders = [];
  netns = sandbox.container();
  await load(sandbox.options);
});

afterEach(async () => {
  for (const holder of holders) await holder[Symbol.asyncDispose]();
  await unload({ ...sandbox.options, force: true });
  const leaked = sandbox.leakedFds;
  sandbox[Symbol.dispose]();
  for (const each of cgroups) each[Symbol.dispose]();
  expect(leaked).toEqual([]);
});

const freeze = ({ port = LOBBY, ...more }: { port?: number } & FreezeServerOptions = {}) =>
  freezeServer({ port }, { ...sandbox.options, ...more });
const thaw = ({ port = LOBBY, ...more }: { port?: number } & HostOptions = {}) =>
  thawServer({ port }, { ...sandbox.options, ...more });

async function failure(change: Promise<unknown>): Promise<DatapathError> {
  const error = await change.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof DatapathError) return error;
  throw error ?? new Error("it did not fail");
}

/** What becomes of a connection; unique names, since a holder keeps its sockets. */
let tries = 0;
async function attempt(from: SocketHolder, host: string, port: number): Promise<string> {
  const name = `try${tries++}`;
  from.do("connect", name, host, port);
  const said = await from.waitFor({ name, what: "connected" }, { name, what: "error" });
  return said.code ?? said.what;
}

test(
  "freezing cuts off and refuses, thawing lets in and out again, and no other server is affected",
  async () => {
    const lobby = await addListening(LOBBY, netns, cgroup);
    const other = makeCgroup();
    const games = await addListening(GAMES, sandbox.container(), other);
    const player = await hold(sandbox.internet);
    for (const [name, port] of [
      ["inLobby", LOBBY],
      ["inGames", GAMES],
    ] as const) {
      player.do("connect", name, PUBLIC_ADDRESS, port);
      await player.waitFor({ what: "connected", name });
    }
    lobby.do("udp", "resolver", "udp4", 0, "10.1.0.1", 53);
    await lobby.waitFor({ what: "connected", name: "resolver" });
    // Within the container: both ends are its own.
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("connected");

    const frozen = await freeze();
    expect(frozen).toMatchObject({
      forwards: [{ port: LOBBY }],
      state: "frozen",
      cgroup: cgroup.path,
      destroyed: { udp: 1 },
    });
    // A connection to itself ends on both sides when one is destroyed.
    expect(frozen.destroyed.tcp).toBeGreaterThanOrEqual(2);
    await lobby.waitFor({ what: "error", name: "game.0", code: "ECONNABORTED" });
    await lobby.waitFor({ what: "error", name: "resolver", code: "ECONNABORTED" });
    await player.waitFor({ what: "error", name: "inLobby", code: "ECONNRESET" });
    expect(await attempt(player, PUBLIC_ADDRESS, LOBBY)).toBe("ECONNREFUSED");
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("EPERM");
    expect(await attempt(lobby, "::1", 25565)).toBe("EPERM");
    expect((await list(sandbox.options)).map(({ state }) => state)).toEqual(["frozen", "active"]);
    expect((await show({ port: LOBBY }, sandbox.options)).state).toBe("frozen");
    expect(await freeze()).toMatchObject({ state: "frozen", destroyed: { tcp: 0, udp: 0 } });

    player.do("send", "inGames", "still there");
    await games.waitFor({ what: "data", name: "game.0", text: "still there" });
    expect(await attempt(games, "127.0.0.1", 25565)).toBe("connected");
    expect(await attempt(player, PUBLIC_ADDRESS, GAMES)).toBe("connected");

    expect(await thaw()).toMatchObject({ forwards: [{ port: LOBBY }], state: "active", thawed: true });
    expect(await attempt(player, PUBLIC_ADDRESS, LOBBY)).toBe("connected");
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("connected");
    expect(await attempt(lobby, "::1", 25565)).toBe("connected");
    expect(await thaw()).toMatchObject({ state: "active", thawed: false });
    expect(await attempt(player, PUBLIC_ADDRESS, LOBBY)).toBe("connected");
    expect((await freeze()).destroyed.tcp).toBeGreaterThanOrEqual(2);
    expect(sandbox.warnings).toEqual([]);
  },
  TIMEOUT_MS,
);

const FREEZING = [
  "record frozen",
  "close endpoints",
  "refuse IPv4 connections",
  "refuse IPv6 connections",
  "destroy TCP sockets",
  "destroy UDP sockets",
];
const THAWING = ["open endpoints", "allow connections"];

describe("as a whole or not at all", () => {
  async function stepsOf(change: (more: object) => Promise<unknown>): Promise<string[]> {
    const steps: string[] = [];
    await change({ onStep: (step: string) => void steps.push(step) });
    return steps;
  }

  const failAt = (deadly: string) => (step: string) => {
    if (step === deadly) throw new Error(`no ${deadly}`);
  };

  test(
    "a step that fails leaves everything as it was, whichever it is",
    async () => {
      await addListening(LOBBY, netns, cgroup);
      const active = sandbox.observe();
      for (const step of FREEZING) {
        await expect(freeze({ onStep: failAt(step) })).rejects.toThrow(`no ${step}`);
        expect(sandbox.observe()).toEqual(active);
      }
      expect(await stepsOf(freeze)).toEqual(FREEZING);
      const frozen = sandbox.observe();
      for (const step of FREEZING) {
        await expect(freeze({ onStep: failAt(step) })).rejects.toThrow(`no ${step}`);
        expect(sandbox.observe()).toEqual(frozen);
      }
      for (const step of THAWING) {
        await expect(thaw({ onStep: failAt(step) })).rejects.toThrow(`no ${step}`);
        expect(sandbox.observe()).toEqual(frozen);
      }
      expect(await stepsOf(thaw)).toEqual(THAWING);
      expect(sandbox.observe()).toEqual(active);
    },
    TIMEOUT_MS,
  );

  test(
    "killed at any step, freezing again finishes it, and thawing undoes it",
    async () => {
      const lobby = await addListening(LOBBY, netns, cgroup);
      const active = sandbox.observe();
      await freeze();
      const frozen = sandbox.observe();
      await thaw();
      const killed = (command: string, step: string) => {
        const script = join(import.meta.dirname, "support", "killed-freeze.ts");
        const args = [`--net=/run/netns/${sandbox.host}`, process.execPath, script, command, step, sandbox.pinRoot];
        const { signal, stderr } = spawnSync("nsenter", [...args, `${LOBBY}`], { encoding: "utf8" });
        expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
      };
      for (const step of FREEZING) {
        killed("freeze", step);
        await freeze();
        expect(sandbox.observe()).toEqual(frozen);
        await thaw();
        killed("freeze", step);
        await thaw();
        expect(sandbox.observe()).toEqual(active);
      }
      for (const step of THAWING) {
        await freeze();
        killed("thaw", step);
        await freeze();
        expect(sandbox.observe()).toEqual(frozen);
        killed("thaw", step);
        await thaw();
        expect(sandbox.observe()).toEqual(active);
      }
      expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("connected");
    },
    TIMEOUT_MS,
  );
});

describe("a frozen server", () => {
  test("can be deleted, with all that refuses", async () => {
    const before = sandbox.observe();
    const lobby = await addListening(LOBBY, netns, cgroup);
    await freeze();
    await delServer({ port: LOBBY }, sandbox.options);
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("connected");
    // lo keeps what the container had of its own.
    expect(sandbox.observe()).toEqual(before);
  });

  test("stays frozen through an upgrade", async () => {
    const lobby = await addListening(LOBBY, netns, cgroup);
    await freeze();
    await load(sandbox.options);
    expect((await show({ port: LOBBY }, sandbox.options)).state).toBe("frozen");
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("EPERM");
    expect(await thaw()).toMatchObject({ thawed: true });
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("connected");
  });

  test("thaws when the process it was frozen for has ended, and its cgroup with it", async () => {
    const lobby = await addListening(LOBBY, netns, cgroup);
    await freeze();
    await lobby[Symbol.asyncDispose]();
    cgroup.remove();
    expect(await thaw()).toMatchObject({ state: "active", thawed: true });
    const again = makeCgroup();
    const restored = await hold(netns, again);
    restored.do("listen", "game", 25565);
    await restored.waitFor({ what: "listening" });
    const player = await hold(sandbox.internet);
    expect(await attempt(player, PUBLIC_ADDRESS, LOBBY)).toBe("connected");
    expect(await freeze()).toMatchObject({ cgroup: again.path, destroyed: { tcp: 1, udp: 0 } });
    expect(await attempt(restored, "127.0.0.1", 25565)).toBe("EPERM");
  });

  test("that has lost its container says so", async () => {
    await addListening(LOBBY, netns, cgroup);
    await freeze();
    for (const holder of holders) await holder[Symbol.asyncDispose]();
    await sandbox.kill(netns);
    for (const change of [freeze, thaw]) {
      const error = await failure(change());
      expect(error.message).toContain("is gone, and its interface with it");
      expect(error.hint).toBe(`remove it: dp del-server server-${LOBBY}`);
    }
    expect(await list(sandbox.options)).toMatchObject([{ state: "gone" }]);
  });
});

describe("the container's cgroup", () => {
  test("is the deepest one its processes share", async () => {
    await addListening(LOBBY, netns, cgroup);
    const { path } = cgroup;
    const below = (name: string) => ({ path: join(path, name) }) as Cgroup;
    spawnSync("mkdir", [below("a").path, below("b").path]);
    await hold(netns, below("a"));
    const second = await hold(netns, below("b"));
    expect((await freeze()).cgroup).toBe(path);
    expect(await attempt(second, "127.0.0.1", 25565)).toBe("EPERM");
    for (const holder of holders) await holder[Symbol.asyncDispose]();
    spawnSync("rmdir", [below("a").path, below("b").path]);
  });

  test("can be named, also when no process is there to tell it by; who is outside is warned of", async () => {
    await addServer({ ...sandbox.options, port: LOBBY, netns });
    const none = await failure(freeze());
    expect(none).toMatchObject({
      code: "FAILED",
      hint: `name the container's cgroup: dp freeze server-${LOBBY} --cgroup PATH`,
    });
    expect(none.message).toContain(`no process is in /run/netns/${netns} to tell the container's cgroup by`);
    expect(await freeze({ cgroup: cgroup.path })).toMatchObject({ cgroup: cgroup.path });
    expect(sandbox.warnings).toEqual([]);
    const inside = await hold(netns, cgroup);
    const other = makeCgroup();
    const outside = await hold(netns, other);
    await freeze({ cgroup: cgroup.path });
    expect(sandbox.warnings).toEqual([
      expect.stringMatching(/^process \d+ in \S+: outside of \S+, their connections are not refused$/),
    ]);
    expect(await attempt(inside, "127.0.0.1", 1)).toBe("EPERM");
    expect(await attempt(outside, "127.0.0.1", 1)).toBe("ECONNREFUSED");
  });

  test("is never the root by itself, but can be: the host's own connections are not refused", async () => {
    const lobby = await addListening(LOBBY, netns, cgroup);
    const other = makeCgroup();
    const stray = await hold(netns, other);
    const before = sandbox.observe();
    const error = await failure(freeze());
    expect(error.message).toContain("have no cgroup to themselves: process ");
    expect(error.hint).toContain("--cgroup PATH");
    expect(sandbox.observe()).toEqual(before);
    const host = await hold(sandbox.host);
    await freeze({ cgroup: join(cgroup.path, "..") });
    expect(await attempt(lobby, "127.0.0.1", 25565)).toBe("EPERM");
    expect(await attempt(stray, "127.0.0.1", 25565)).toBe("EPERM");
    expect(await attempt(host, "127.0.0.1", 1)).toBe("ECONNREFUSED");
  });
});

test("what cannot be is refused before anything is changed", async () => {
  await addListening(LOBBY, netns, cgroup);
  const before = sandbox.observe();
  expect(await failure(freeze({ port: 4711 }))).toMatchObject({ code: "NO_SUCH_SERVER" });
  expect(await failure(thaw({ port: 4711 }))).toMatchObject({ code: "NO_SUCH_SERVER" });
  expect(await failure(freeze({ port: 70_000 }))).toMatchObject({ code: "BAD_USAGE" });
  expect(await failure(thaw({ port: 0 }))).toMatchObject({ code: "BAD_USAGE" });
  for (const path of ["/tmp", "/nosuch"]) {
    const error = await failure(freeze({ cgroup: path }));
    expect(error).toMatchObject({ code: "BAD_USAGE", reason: `${path} is not a folder of a cgroup2 mount` });
  }
  for (const change of [freeze, thaw]) {
    expect(await failure(change({ pinRoot: "/nosuch" }))).toMatchObject({ code: "NOT_LOADED" });
  }
  expect(sandbox.observe()).toEqual(before);
  expect(statSync(cgroup.path).isDirectory()).toBe(true);
});

test(
  "a frozen server has no findings; a freeze that is incomplete, and a block without its server, are found",
  async () => {
    const { options, pinRoot } = sandbox;
    await addListening(LOBBY, netns, cgroup);
    await freeze();
    expect(await status(options)).toMatchObject({ healthy: true, servers: { total: 1, frozen: 1 }, findings: [] });
    expect(await repair(options)).toMatchObject({ removedServers: [], removed: [], repaired: [], remaining: [] });

    const other = makeCgroup();
    {
      using objects = openPinned({ pinRoot });
      const record = objects.records.find({ name: `server-${LOBBY}` }) as ServerRecord;
      objects.endpoints.setMany(entriesOf(record, true));
      objects.unblockIp6Connections({ name: record.hostPeer.name });
      objects.blockIp4Connections(other.path, { name: "999" });
    }
    const found = (await status(options)).findings.map(({ code }) => code).sort();
    expect(found).toEqual(["freeze-incomplete", "orphaned-block", "wrong-endpoint"]);
    const { removed, repaired, remaining } = await repair(options);
    expect(removed.map(({ code }) => code)).toEqual(["orphaned-block"]);
    expect(repaired.map(({ code }) => code)).toEqual(["wrong-endpoint"]);
    expect(remaining.map(({ code }) => code)).toEqual(["freeze-incomplete"]);
    await freeze();
    expect(await status(options)).toMatchObject({ healthy: true, findings: [] });
  },
  TIMEOUT_MS,
);
