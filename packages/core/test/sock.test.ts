/**
 * Freezing's programs on a real process's sockets:
 *
 *   container  10.9.0.2 ──veth── 10.9.0.1  player     and again, with the same addresses and ports: the twins
 *   in a cgroup of its own
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { DatapathError, UnsupportedError } from "@dp/sys";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { openBpfDescriptors } from "@dp/test-kit/open-descriptors.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { SocketHolder } from "@dp/test-kit/socket-holder.ts";
import { thrown } from "@dp/test-kit/thrown.ts";
import { loadBpf, type Objects } from "../src/index.ts";
import { loadObject } from "../src/objects/programs/load-object.ts";
import { SockDestroyer } from "../src/objects/programs/sock-destroyer.ts";
import { fixture } from "./support/fixture.ts";

requireRoot();

const CONTAINER = "10.9.0.2";
const PLAYER = "10.9.0.1";

class Pair implements AsyncDisposable {
  readonly container = NetworkNamespace.withPair();
  readonly player = NetworkNamespace.withPair();
  readonly #holders: SocketHolder[] = [];

  constructor() {
    const ends = ["netns", this.container.name, "type", "veth", "peer", "name", "veth", "netns", this.player.name];
    execFileSync("ip", ["link", "add", "veth", ...ends]);
    for (const [namespace, address] of [
      [this.container, CONTAINER],
      [this.player, PLAYER],
    ] as const) {
      namespace.ip("addr", "add", `${address}/24`, "dev", "veth");
      namespace.ip("link", "set", "veth", "up");
      namespace.ip("link", "set", "lo", "up");
    }
  }

  /** A process in one of the two. */
  async hold(where: "container" | "player", cgroup?: string): Promise<SocketHolder> {
    const holder = new SocketHolder(this[where].path, cgroup);
    this.#holders.push(holder);
    await holder.waitFor({ what: "ready" });
    return holder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const holder of this.#holders) await holder[Symbol.asyncDispose]();
    this.container[Symbol.dispose]();
    this.player[Symbol.dispose]();
  }
}

/** `STATE LOCAL REMOTE` of every TCP or UDP socket in a namespace. */
function sockets(namespace: NetworkNamespace, protocol: "-t" | "-u"): string[] {
  const text = execFileSync("nsenter", [`--net=${namespace.path}`, "ss", "-Hna", protocol], { encoding: "utf8" });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [state, , , local = "", remote = ""] = line.trim().split(/\s+/);
      return [state, local, remote].join(" ").replaceAll("::ffff:", "").replaceAll(/[[\]]/g, "");
    })
    .sort();
}

/** The sockets of a game server with a player, a request of its own, and a resolver. */
async function connectAll(container: SocketHolder, player: SocketHolder): Promise<void> {
  container.do("listen", "game", 25565);
  player.do("listen", "web", 80, PLAYER);
  await container.waitFor({ what: "listening" });
  await player.waitFor({ what: "listening" });
  player.do("connect", "joined", CONTAINER, 25565, 40_000);
  container.do("connect", "fetch", PLAYER, 80, 41_000);
  container.do("udp", "resolver", "udp4", 5000, PLAYER, 53);
  container.do("udp", "query", "udp4", 6000);
  await container.waitFor({ what: "accepted", name: "game.0" });
  await container.waitFor({ what: "connected", name: "fetch" });
  await container.waitFor({ what: "connected", name: "resolver" });
  await container.waitFor({ what: "bound", name: "query" });
  await player.waitFor({ what: "accepted", name: "web.0" });
  await player.waitFor({ what: "connected", name: "joined" });
}

const TCP = [`ESTAB ${CONTAINER}:25565 ${PLAYER}:40000`, `ESTAB ${CONTAINER}:41000 ${PLAYER}:80`, "LISTEN *:25565 *:*"];
const UDP = [`ESTAB ${CONTAINER}:5000 ${PLAYER}:53`, "UNCONN 0.0.0.0:6000 0.0.0.0:*"];

let bpffs: Bpffs;
let cgroup: Cgroup;
let pair: Pair;
let objects: Objects;

beforeEach(() => {
  bpffs = new Bpffs();
  cgroup = new Cgroup();
  pair = new Pair();
  objects = loadBpf({ pinRoot: bpffs.path });
});

afterEach(async () => {
  objects.close();
  await pair[Symbol.asyncDispose]();
  cgroup[Symbol.dispose]();
  bpffs[Symbol.dispose]();
  expect(openBpfDescriptors()).toEqual([]);
});

describe("destroying sockets", () => {
  test("takes what is connected, leaves what listens, and nothing of another namespace", async () => {
    await using twin = new Pair();
    const container = await pair.hold("container");
    const player = await pair.hold("player");
    const twinContainer = await twin.hold("container");
    const twinPlayer = await twin.hold("player");
    await connectAll(container, player);
    await connectAll(twinContainer, twinPlayer);
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket, data) => void socket.write(data) },
    });
    const echo = Promise.withResolvers<string>();
    const own = await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port,
      socket: { data: (_, data) => echo.resolve(data.toString()) },
    });
    expect(sockets(pair.container, "-t")).toEqual(TCP);
    expect(sockets(pair.container, "-u")).toEqual(UDP);

    expect(objects.destroyTcpSocks({ netns: pair.container.fd })).toBe(2);
    await container.waitFor({ what: "error", name: "game.0", code: "ECONNABORTED" });
    await container.waitFor({ what: "error", name: "fetch", code: "ECONNABORTED" });
    await player.waitFor({ what: "error", name: "joined", code: "ECONNRESET" });
    await player.waitFor({ what: "error", name: "web.0", code: "ECONNRESET" });
    expect(sockets(pair.container, "-t")).toEqual(["LISTEN *:25565 *:*"]);
    expect(sockets(pair.container, "-u")).toEqual(UDP);

    expect(objects.destroyUdpSocks({ netns: pair.container.fd })).toBe(1);
    await container.waitFor({ what: "error", name: "resolver", code: "ECONNABORTED" });
    expect(sockets(pair.container, "-u").filter((line) => !line.startsWith("UNCONN"))).toEqual([]);
    expect(sockets(pair.container, "-u")).toContain("UNCONN 0.0.0.0:6000 0.0.0.0:*");

    // Again: there is nothing left.
    expect(objects.destroyTcpSocks({ netns: pair.container.fd })).toBe(0);
    expect(objects.destroyUdpSocks({ netns: pair.container.fd })).toBe(0);

    expect(sockets(twin.container, "-t")).toEqual(TCP);
    expect(sockets(twin.container, "-u")).toEqual(UDP);
    twinPlayer.do("send", "joined", "still there");
    await twinContainer.waitFor({ what: "data", name: "game.0", text: "still there" });
    own.write("me too");
    expect(await echo.promise).toBe("me too");
    own.end();
    expect([...twinContainer.pendingEvents, ...twinPlayer.pendingEvents]).toEqual([]);

    // The listener is none the worse.
    player.do("connect", "again", CONTAINER, 25565, 40_001);
    await container.waitFor({ what: "accepted", name: "game.1" });
  });

  test("takes connections at every stage that a process holds, and leaves TIME_WAIT", async () => {
    const container = await pair.hold("container");
    const player = await pair.hold("player");
    container.do("listen", "game", 25565);
    player.do("listen", "web", 80, PLAYER);
    await container.waitFor({ what: "listening" });
    await player.waitFor({ what: "listening" });
    // SYN_SENT: this address does not answer.
    pair.container.ip("neigh", "add", "10.9.0.77", "lladdr", "02:00:00:00:00:77", "dev", "veth");
    container.do("connect", "trying", "10.9.0.77", 80);
    // CLOSE_WAIT: the player has nothing more to say.
    player.do("connect", "half", CONTAINER, 25565, 40_000);
    await container.waitFor({ what: "accepted", name: "game.0" });
    player.do("end", "half");
    // FIN_WAIT2: the container has not.
    container.do("connect", "ending", PLAYER, 80, 41_000);
    await player.waitFor({ what: "accepted", name: "web.0" });
    container.do("end", "ending");
    // TIME_WAIT: the container closed first, then the player.
    container.do("connect", "ended", PLAYER, 80, 41_001);
    await player.waitFor({ what: "accepted", name: "web.1" });
    container.do("end", "ended");
    await Bun.sleep(100);
    player.do("end", "web.1");
    await container.waitFor({ what: "closed", name: "ended" });
    expect(sockets(pair.container, "-t").map((line) => line.split(" ")[0])).toEqual([
      "CLOSE-WAIT",
      "FIN-WAIT-2",
      "LISTEN",
      "SYN-SENT",
      "TIME-WAIT",
    ]);

    expect(objects.destroyTcpSocks({ netns: pair.container.fd })).toBe(3);
    await container.waitFor({ what: "error", name: "trying", code: "ECONNABORTED" });
    expect(sockets(pair.container, "-t").map((line) => line.split(" ")[0])).toEqual(["LISTEN", "TIME-WAIT"]);
  });

  test("takes hundreds of connections, also those that were not accepted", async () => {
    const container = await pair.hold("container");
    const player = await pair.hold("player");
    container.do("listen", "game", 25565);
    await container.waitFor({ what: "listening" });
    process.kill(container.pid, "SIGSTOP");
    for (let at = 0; at < 300; at++) player.do("connect", `p${at}`, CONTAINER, 25565);
    for (let at = 0; at < 300; at++) await player.waitFor({ what: "connected", name: `p${at}` });
    expect(objects.destroyTcpSocks({ netns: pair.container.fd })).toBe(300);
    for (let at = 0; at < 300; at++) await player.waitFor({ what: "error", name: `p${at}`, code: "ECONNRESET" });
    process.kill(container.pid, "SIGCONT");
    player.do("connect", "next", CONTAINER, 25565);
    await player.waitFor({ what: "connected", name: "next" });
  });

  test("is for the calling thread's namespace, unless told otherwise", async () => {
    const container = await pair.hold("container");
    const player = await pair.hold("player");
    await connectAll(container, player);
    pair.container.inside(() => {
      expect(objects.destroyTcpSocks()).toBe(2);
      expect(objects.destroyUdpSocks()).toBe(1);
    });
    pair.player.inside(() => expect(objects.destroyUdpSocks()).toBe(0));
  });

  test("to one address leaves those to others alone, IPv4 and IPv4-mapped", async () => {
    const container = await pair.hold("container");
    const player = await pair.hold("player");
    await connectAll(container, player);
    pair.container.ip("neigh", "add", "10.9.0.77", "lladdr", "02:00:00:00:00:77", "dev", "veth");
    container.do("connect", "trying", "10.9.0.77", 80);
    const isTrying = () => sockets(pair.container, "-t").some((line) => line.startsWith("SYN-SENT"));
    while (!isTrying()) await Bun.sleep(1);
    const { fd: netns } = pair.container;
    for (const remote of ["10.9.0.78", CONTAINER, "::1"]) {
      expect(objects.destroyTcpSocks({ netns, remote })).toBe(0);
      expect(objects.destroyUdpSocks({ netns, remote })).toBe(0);
    }
    expect(objects.destroyTcpSocks({ netns, remote: "10.9.0.77" })).toBe(1);
    await container.waitFor({ what: "error", name: "trying", code: "ECONNABORTED" });
    expect(objects.destroyTcpSocks({ netns, remote: PLAYER })).toBe(2);
    await container.waitFor({ what: "error", name: "game.0", code: "ECONNABORTED" });
    expect(objects.destroyUdpSocks({ netns, remote: PLAYER })).toBe(1);
    // The next one is asked for all again.
    container.do("connect", "again", "10.9.0.77", 80);
    while (!isTrying()) await Bun.sleep(1);
    expect(objects.destroyTcpSocks({ netns })).toBe(1);
  });

  test("on a kernel that cannot is an error that says so, and the rest works", () => {
    const image = fixture("sock_no_kfunc");
    const error = thrown(UnsupportedError, () => SockDestroyer.load(image));
    expect(error).toMatchObject({ code: "UNSUPPORTED", feature: "bpf_sock_destroy", hint: "boot Linux 6.5 or newer" });
    expect(error.message).toBe("load dp_destroy_tcp: this kernel has no bpf_sock_destroy: servers cannot be frozen");
    using object = loadObject("freeze", { image, programs: ["block_connect4"] });
    expect(object.program("dp_block_connect4").fd).toBeGreaterThan(2);
    objects.requireSockDestroy();
  });
});

describe("blocking connections", () => {
  /** A connection by each protocol and address family; what came of it. */
  async function tryAll(holder: SocketHolder, round: string): Promise<Record<string, string>> {
    const outcomes: Record<string, string> = {};
    for (const [name, command] of Object.entries({
      tcp4: ["connect", `tcp4${round}`, "127.0.0.1", 1],
      tcp6: ["connect", `tcp6${round}`, "::1", 1],
      mapped: ["connect", `mapped${round}`, "::ffff:127.0.0.1", 1],
      udp4: ["udp", `udp4${round}`, "udp4", 0, "127.0.0.1", 9],
      udp6: ["udp", `udp6${round}`, "udp6", 0, "::1", 9],
    })) {
      holder.do(...command);
      const socket = { name: `${name}${round}` };
      const said = await holder.waitFor({ ...socket, what: "error" }, { ...socket, what: "connected" });
      outcomes[name] = said.code ?? said.what;
    }
    return outcomes;
  }

  const ALLOWED = {
    tcp4: "ECONNREFUSED",
    tcp6: "ECONNREFUSED",
    mapped: "ECONNREFUSED",
    udp4: "connected",
    udp6: "connected",
  };

  test("refuses TCP and UDP of the cgroup, by address family, until it is taken back", async () => {
    const holder = await pair.hold("container", cgroup.path);
    const other = await pair.hold("container");
    expect(await tryAll(holder, "0")).toEqual(ALLOWED);
    expect(objects.blockIp4Connections(cgroup.path)).toBe("attached");
    expect(await tryAll(holder, "1")).toEqual({ ...ALLOWED, tcp4: "EPERM", udp4: "EPERM" });
    expect(objects.blockIp6Connections(cgroup.path)).toBe("attached");
    const blocked = { tcp4: "EPERM", tcp6: "EPERM", mapped: "EPERM", udp4: "EPERM", udp6: "EPERM" };
    expect(await tryAll(holder, "2")).toEqual(blocked);
    expect(await tryAll(other, "2")).toEqual(ALLOWED);
    expect(objects.blockIp4Connections(cgroup.path)).toBe("updated");
    expect(objects.blockIp6Connections(cgroup.path)).toBe("updated");
    expect(await tryAll(holder, "3")).toEqual(blocked);
    expect(objects.unblockIp4Connections(cgroup.path)).toBe(true);
    expect(objects.unblockIp6Connections(cgroup.path)).toBe(true);
    expect(objects.unblockIp4Connections(cgroup.path)).toBe(false);
    expect(objects.unblockIp6Connections(cgroup.path)).toBe(false);
    expect(await tryAll(holder, "4")).toEqual(ALLOWED);
  });

  test("stays when the process that blocked is gone, goes for all below, and leaves what is connected", async () => {
    const below = join(cgroup.path, "below");
    mkdirSync(below);
    const container = await pair.hold("container", below);
    const player = await pair.hold("player");
    await connectAll(container, player);
    objects.blockIp4Connections(cgroup.path, { name: "25570" });
    objects.blockIp6Connections(cgroup.path, { name: "25570" });
    objects.close();
    objects = loadBpf({ pinRoot: bpffs.path });
    expect((await tryAll(container, ""))["tcp4"]).toBe("EPERM");
    player.do("send", "joined", "hello");
    await container.waitFor({ what: "data", name: "game.0", text: "hello" });
    container.do("send", "fetch", "hello");
    await player.waitFor({ what: "data", name: "web.0", text: "hello" });
    player.do("connect", "second", CONTAINER, 25565);
    await container.waitFor({ what: "accepted", name: "game.1" });
    await container[Symbol.asyncDispose]();
    rmdirSync(below);
  });

  test("for one network namespace lets the cgroup's other processes be", async () => {
    const inside = await pair.hold("container", cgroup.path);
    const outside = await pair.hold("player", cgroup.path);
    objects.blockIp4Connections(cgroup.path, { netns: pair.container.fd });
    expect((await tryAll(inside, ""))["tcp4"]).toBe("EPERM");
    expect((await tryAll(outside, ""))["tcp4"]).toBe("ECONNREFUSED");
    // The same block, for the other namespace.
    expect(objects.blockIp4Connections(cgroup.path, { netns: pair.player.fd })).toBe("updated");
    expect((await tryAll(inside, "again"))["tcp4"]).toBe("ECONNREFUSED");
    expect((await tryAll(outside, "again"))["tcp4"]).toBe("EPERM");
  });

  test("is listed, moves with its name, and outlives its cgroup only as a pin", async () => {
    using second = new Cgroup();
    const holder = await pair.hold("container", cgroup.path);
    const id = (path: string) => BigInt(execFileSync("stat", ["-c", "%i", path], { encoding: "utf8" }));
    objects.blockIp4Connections(cgroup.path, { name: "25570" });
    objects.blockIp6Connections(second.path);
    const byName = { ipVersion: 4, name: "25570", path: bpffs.join("progs", "dp_block_connect4_25570") } as const;
    expect(objects.connectionBlocks()).toEqual([
      { ...byName, cgroupId: id(cgroup.path) },
      {
        ipVersion: 6,
        name: `${id(second.path)}`,
        path: bpffs.join("progs", `dp_block_connect6_${id(second.path)}`),
        cgroupId: id(second.path),
      },
    ]);
    expect(objects.blockIp4Connections(second.path, { name: "25570" })).toBe("attached");
    expect(objects.connectionBlocks()[0]).toEqual({ ...byName, cgroupId: id(second.path) });
    expect(await tryAll(holder, "")).toEqual(ALLOWED);
    second.remove();
    // The kernel lets go of it a little later.
    for (let tries = 0; tries < 100 && objects.connectionBlocks()[0]?.cgroupId !== 0n; tries++) await Bun.sleep(10);
    expect(objects.connectionBlocks()[0]).toEqual({ ...byName, cgroupId: 0n });
    expect(objects.blockIp4Connections(cgroup.path, { name: "25570" })).toBe("attached");
    expect((await tryAll(holder, "again"))["tcp4"]).toBe("EPERM");
    expect(objects.unblockIp4Connections({ name: "25570" })).toBe(true);
    expect(objects.unblockIp4Connections({ name: "25570" })).toBe(false);
  });

  test("ends with unloading, which takes the pins along", async () => {
    const holder = await pair.hold("container", cgroup.path);
    objects.blockIp4Connections(cgroup.path);
    objects.unpinAll();
    expect(bpffs.list()).toEqual([]);
    expect(await tryAll(holder, "")).toEqual(ALLOWED);
  });

  test("of what is no cgroup, or by a name that cannot be pinned, is the caller's mistake", () => {
    const error = thrown(DatapathError, () => objects.blockIp4Connections(bpffs.path));
    expect(error).toMatchObject({ code: "BAD_USAGE", hint: "see where it is mounted: findmnt -t cgroup2" });
    expect(error.message).toContain("is not a folder of a cgroup2 mount");
    const file = () => objects.blockIp6Connections(join(cgroup.path, "cgroup.procs"));
    expect(thrown(DatapathError, file).code).toBe("BAD_USAGE");
    expect(thrown(DatapathError, () => objects.unblockIp4Connections("/nosuch")).code).toBe("BAD_USAGE");
    const named = () => objects.blockIp4Connections(cgroup.path, { name: "../dp_dnat" });
    expect(thrown(DatapathError, named).code).toBe("BAD_USAGE");
    expect(objects.connectionBlocks()).toEqual([]);
  });
});
