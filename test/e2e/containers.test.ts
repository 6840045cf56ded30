/**
 * Servers in containers of real engines, found by their names:
 *
 *     player ── internet ── host ── container of podman, runc, containerd
 *     198.51.100.10        203.0.113.10:25570 → 10.2.0.1:25565
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Output } from "@dp/test-kit/program.ts";
import { Containerd } from "./containers/containerd.ts";
import type { ContainerEngine } from "./containers/engine.ts";
import { Podman } from "./containers/podman.ts";
import { Runc } from "./containers/runc.ts";
import type { Server } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";
import { refusal, transfer } from "./traffic/traffic.ts";

const MEBIBYTE = 2 ** 20;

/** A loaded host. The containers are not of its making. */
async function loadedHost(): Promise<Internet> {
  const net = await Internet.create({ containers: [] });
  await net.dp.must("load");
  return net;
}

/** `dp add-server --container`, where these engines are installed and no others are. */
async function add(net: Internet, engines: readonly ContainerEngine[], ...args: string[]): Promise<Output> {
  const folder = mkdtempSync(join(tmpdir(), "engines-"));
  for (const { name } of engines) symlinkSync(Bun.which(name) as string, join(folder, name));
  const env = Object.assign({ PATH: folder }, ...engines.map((engine) => engine.env)) as Record<string, string>;
  try {
    return await net.dp.runIn(env, "add-server", "--json", "--container", ...args);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function added(net: Internet, engine: ContainerEngine, ...args: string[]): Promise<Server> {
  const { code, stdout, stderr } = await add(net, [engine], ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Server;
}

async function expectTraffic(net: Internet, port: number): Promise<void> {
  for (const direction of ["download", "upload"] as const) {
    const { sent, received } = await transfer(net.player(), { port }, direction, 16 * MEBIBYTE);
    expect(sent).toMatch(/^[0-9a-f]{64}$/);
    expect(received).toBe(sent);
  }
}

/** The kernel takes the namespace of a container that ended apart when it finds the time. */
async function untilGone(net: Internet, port: number): Promise<void> {
  const gone = async () =>
    (await net.dp.list()).some(({ forwards, state }) => forwards[0].port === port && state === "gone");
  for (let looks = 0; !(await gone()); looks++) {
    if (looks === 300) throw new Error(`server ${port} is still there`);
    await Bun.sleep(100);
  }
}

const ENGINES: readonly [name: string, start: () => Promise<ContainerEngine>][] = [
  ["podman", async () => new Podman()],
  ["runc", async () => new Runc()],
  ["containerd", () => Containerd.start()],
];

describe.each(ENGINES)("a container of %s", (_, start) => {
  test("gets its server by its name, and after a restart once the old one is deleted", async () => {
    await using net = await loadedHost();
    await using engine = await start();
    await engine.run("lobby");
    const server = await added(net, engine, "lobby", "--port", "25570");
    expect(server).toMatchObject({
      name: "lobby",
      state: "active",
      container: { engine: engine.name, name: "lobby" },
      forwards: [{ port: 25570, containerAddress: "10.2.0.1" }],
    });
    await expectTraffic(net, 25570);

    await engine.stop("lobby");
    await untilGone(net, 25570);
    const stopped = await add(net, [engine], `${engine.name}:lobby`, "--port", "25571");
    expect(stopped.code).toBe(1);
    // runc forgets what it stopped.
    if (engine.name === "runc") expect(stopped.stderr).toContain("runc knows no container lobby");
    else expect(stopped.stderr).toContain(`${engine.name} says the container lobby is not running\nhint: start it: `);

    // A new network namespace: nothing of the old server is in it, and dp does not guess that it should be.
    await engine.start("lobby");
    const taken = await add(net, [engine], "lobby", "--port", "25570");
    expect([taken.code, taken.stdout]).toEqual([5, ""]);
    expect(taken.stderr).toMatch(/25570.* is taken by server lobby \(id 1\)/);
    expect(taken.stderr).toContain("hint: its container is gone: dp del-server lobby");
    await net.dp.must("del-server", "lobby");
    expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");
    const again = await added(net, engine, "lobby", "--port", "25570");
    expect(again).toMatchObject({ name: "lobby", state: "active" });
    expect(again.netns).not.toBe(server.netns);
    await expectTraffic(net, 25570);
    await net.dp.must("del-server", "--all");
  });
});

describe("a container that is not clear", () => {
  test("is one that no engine knows", async () => {
    await using net = await loadedHost();
    await using podman = new Podman();
    await using runc = new Runc();
    const { code, stdout, stderr } = await add(net, [podman, runc], "nosuch", "--port", "auto");
    expect([code, stdout, stderr]).toEqual([
      1,
      "",
      "dp: add a server: podman and runc know no container nosuch\nhint: see podman ps --all, runc list\n",
    ]);
    const asked = await add(net, [podman], "podman:nosuch", "--port", "auto");
    expect(asked.stderr).toBe("dp: add a server: podman knows no container nosuch\nhint: see podman ps --all\n");
    const engine = await add(net, [podman], "rkt:lobby", "--port", "auto");
    expect([engine.code, engine.stderr]).toEqual([
      2,
      "dp: add a server: there is no container engine rkt\nhint: there are docker, podman, nerdctl, ctr, runc\n",
    ]);
  });

  test("is one whose name two engines have", async () => {
    await using net = await loadedHost();
    await using podman = new Podman();
    await using runc = new Runc();
    await podman.run("lobby");
    await runc.run("lobby");
    const { code, stderr } = await add(net, [podman, runc], "lobby", "--port", "25570");
    expect([code, stderr]).toEqual([
      5,
      "dp: add server 25570: podman and runc each have a container lobby\n" +
        "hint: name the engine: --container podman:lobby or --container runc:lobby\n",
    ]);
    expect(await added(net, podman, "podman:lobby", "--port", "25570")).toMatchObject({ name: "lobby" });
    expect(await added(net, runc, "runc:lobby", "--port", "25571")).toMatchObject({ name: "server-25571" });
    await expectTraffic(net, 25570);
    await expectTraffic(net, 25571);
    await net.dp.must("del-server", "--all");
  });

  test("is not one that podman runs by runc: by its id both know the same", async () => {
    await using net = await loadedHost();
    await using podman = new Podman();
    await using runc = new Runc();
    const id = await podman.run("lobby");
    const byId = await add(net, [podman, runc], id, "--port", "25570", "--name", "lobby");
    expect([byId.code, byId.stderr]).toEqual([0, ""]);
    const { code, stderr } = await add(net, [podman], "lobby", "--port", "25571");
    expect([code, stderr]).toEqual([5, expect.stringContaining("already belongs to server lobby (id 1)")]);
    await net.dp.must("del-server", "--all");
  });
});

test("a container with the host's own network is refused", async () => {
  await using net = await loadedHost();
  await using podman = new Podman();
  await podman.run("lobby", `ns:${net.host.path}`);
  const { code, stderr } = await add(net, [podman], "lobby", "--port", "25570");
  expect(code).toBe(5);
  expect(stderr).toContain("is the host's own network namespace\nhint: ");
  expect(stderr).toContain("--network none");
});
