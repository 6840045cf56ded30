/**
 * Servers that reach each other, and those that do not:
 *
 *                    host 203.0.113.10
 *      ┌──────────┬────────┴─┬────────────┐
 *     hub       arena      rival        loner
 *   10.2.0.1   10.2.0.2   10.2.0.3     10.2.0.4
 *   group net  group net  group other  no group
 *   :25565     :30000     :25565       :25565      container ports
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { Program } from "@dp/test-kit/program.ts";
import type { Server } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";
import type { NetworkNamespace } from "./topology/namespace.ts";
import { converse, serve, transfer } from "./traffic/traffic.ts";

const MEBIBYTE = 2 ** 20;
const NAMES = ["hub", "arena", "rival", "loner"] as const;
type Name = (typeof NAMES)[number];
const GROUPS: Readonly<Record<Name, string | undefined>> = {
  hub: "net",
  arena: "net",
  rival: "other",
  loner: undefined,
};
const GAME_PORTS: Readonly<Record<Name, number>> = { hub: 25565, arena: 30_000, rival: 25565, loner: 25565 };
/** Where every container has another service, and the host too. */
const OTHER_PORT = 8080;

/** Of `dp show --json`. */
interface Shown {
  readonly flows: number;
  readonly forwards: readonly [
    { readonly in: { readonly packets: number }; readonly out: { readonly packets: number } },
  ];
  readonly drops: Record<string, number>;
}

class Neighbourhood implements AsyncDisposable {
  readonly net: Internet;
  readonly servers: Record<Name, Server>;
  /** What listens in each container, on its container port and elsewhere. */
  readonly listeners: Readonly<Record<Name, readonly Program[]>>;

  private constructor(net: Internet, servers: Neighbourhood["servers"], listeners: Neighbourhood["listeners"]) {
    this.net = net;
    this.servers = servers;
    this.listeners = listeners;
  }

  static async create(): Promise<Neighbourhood> {
    await using made = new AsyncDisposableStack();
    const net = made.use(await Internet.create({ containers: NAMES }));
    await net.dp.must("load");
    const servers: Partial<Record<Name, Server>> = {};
    const listeners: Partial<Record<Name, Program[]>> = {};
    for (const [index, name] of NAMES.entries()) {
      const group = GROUPS[name];
      servers[name] = await net.dp.addServer(
        25570 + index,
        net.container(name),
        "--game-port",
        `${GAME_PORTS[name]}`,
        ...(group === undefined ? [] : ["--group", group]),
      );
      listeners[name] = await Promise.all(
        [GAME_PORTS[name], OTHER_PORT].map((port) => serve(net.container(name), port)),
      );
    }
    made.move();
    return new Neighbourhood(net, servers as Record<Name, Server>, listeners as Record<Name, Program[]>);
  }

  container(name: Name): NetworkNamespace {
    return this.net.container(name);
  }

  at(name: Name, port = GAME_PORTS[name]): { address: string; port: number } {
    return { address: this.servers[name].addresses.ipv4.container, port };
  }

  show(name: Name): Promise<Shown> {
    return this.net.dp.json<Shown>("show", `id:${this.servers[name].id}`);
  }

  async drops(name: Name): Promise<Record<string, number>> {
    return (await this.show(name)).drops;
  }

  /** The addresses of all who connected to this container, on any port. */
  visitors(name: Name): unknown[] {
    return this.listeners[name].flatMap(({ events }) =>
      events.filter(({ event }) => event === "connection").map(({ address }) => address),
    );
  }

  /**
   * Tries something until a packet of it is dropped, for this reason and no other; no packet of it may have arrived.
   */
  async isDropped(from: Name, to: Name, reason: string, start: () => Program): Promise<void> {
    const before = await this.drops(from);
    const visitors = this.visitors(to);
    await using attempt = start();
    let after = before;
    while (total(after) === total(before)) after = await this.drops(from);
    expect(changed(before, after)).toEqual([reason]);
    expect(attempt.events.filter(({ event }) => event === "connected")).toEqual([]);
    expect(this.visitors(to)).toEqual(visitors);
  }

  connect(from: Name, { address, port }: { address: string; port: number }): Program {
    const client = join(import.meta.dirname, "traffic/client.ts");
    return this.container(from).spawn(["bun", client, address, `${port}`, "echo", "60"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
  }
}

function changed(before: Record<string, number>, after: Record<string, number>): string[] {
  return Object.keys(after).filter((reason) => after[reason] !== before[reason]);
}

const total = (drops: Record<string, number>) => Object.values(drops).reduce((sum, packets) => sum + packets, 0);

test("servers of one group move data both ways between their container ports, and see each other's own addresses", async () => {
  await using world = await Neighbourhood.create();
  for (const [from, to] of [
    ["hub", "arena"],
    ["arena", "hub"],
  ] as const) {
    for (const direction of ["download", "upload"] as const) {
      const { sent, received } = await transfer(world.container(from), world.at(to), direction, 64 * MEBIBYTE);
      expect(received).toBe(sent);
    }
    const { container } = world.servers[from].addresses.ipv4;
    expect(world.visitors(to)).toEqual([container, container]);
  }

  // It needs no uplink and no proxy, and is not counted as traffic of players.
  await world.net.host.ip("link set eth0 down");
  const { sent, received } = await transfer(world.container("hub"), world.at("arena"), "upload", MEBIBYTE);
  expect(received).toBe(sent);
  for (const name of ["hub", "arena"] as const) {
    const { flows, forwards, drops } = await world.show(name);
    expect([flows, forwards[0].in.packets, forwards[0].out.packets, total(drops)]).toEqual([0, 0, 0, 0]);
  }
});

test("nothing else between containers gets through, and each attempt is counted where it comes from", async () => {
  await using world = await Neighbourhood.create();
  const refused: [from: Name, to: Name, port: number][] = [
    ["hub", "arena", OTHER_PORT],
    ["hub", "arena", 25565],
    ["arena", "hub", OTHER_PORT],
    ["hub", "rival", 25565],
    ["hub", "loner", 25565],
    ["rival", "hub", 25565],
    ["rival", "arena", 30_000],
    ["loner", "hub", 25565],
    ["loner", "rival", 25565],
  ];
  for (const [from, to, port] of refused) {
    await world.isDropped(from, to, "eastWest", () => world.connect(from, world.at(to, port)));
  }
  const { address } = world.at("arena");
  const datagrams = (protocol: string) =>
    `while :; do echo is anybody there | socat -u - ${protocol}; sleep 0.05; done`;
  for (const [reason, command] of [
    ["udp", datagrams(`UDP4-SENDTO:${address}:30000`)],
    ["icmp", datagrams(`IP4-SENDTO:${address}:1`)],
    ["protocol", datagrams(`IP4-SENDTO:${address}:132`)],
  ] as const) {
    await world.isDropped("hub", "arena", reason, () => world.container("hub").spawn(["bash", "-c", command]));
  }
});

test("a server that is added again without its group is reached no more, not by an open connection either", async () => {
  await using world = await Neighbourhood.create();
  await using open = await converse(world.container("hub"), world.at("arena"));
  await open.event("echo", 3);

  await world.net.dp.must("del-server", "server-25571");
  const again = await world.net.dp.addServer(25571, world.container("arena"), "--game-port", "30000");
  expect(again).toMatchObject({ group: null, addresses: world.servers.arena.addresses });
  world.servers.arena = again;

  // What is on its way still comes in; from the first segment that is dropped on, nothing does.
  while (((await world.drops("hub"))["eastWest"] ?? 0) === 0) await Bun.sleep(5);
  const echoes = () => open.events.filter(({ event }) => event === "echo").length;
  const heard = echoes();
  const { eastWest = 0 } = await world.drops("hub");
  while (((await world.drops("hub"))["eastWest"] ?? 0) < eastWest + 2) await Bun.sleep(20);
  expect(echoes()).toBe(heard);

  await world.isDropped("hub", "arena", "eastWest", () => world.connect("hub", world.at("arena")));
  await world.isDropped("arena", "hub", "eastWest", () => world.connect("arena", world.at("hub")));
});
