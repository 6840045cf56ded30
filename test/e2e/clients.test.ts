/**
 * Who can reach a server and from where, and that no server gets the packets of another:
 *
 *     player1          player2           neighbour, on the uplink's own network
 *     198.51.100.10    198.51.100.140    203.0.113.50
 *        └──── internet ────┴───────────────┤
 *                                    host 203.0.113.10
 *                               :25570 ┌────┴────┐ :25571
 *                                   lobby     survival
 */
import { expect, test } from "bun:test";
import {
  Internet,
  type InternetOptions,
  NEIGHBOUR_ADDRESS,
  PLAYER_ADDRESSES,
  PUBLIC_ADDRESS,
} from "./topology/internet.ts";
import { converse, refusal, serve, transfer } from "./traffic/traffic.ts";

const MEBIBYTE = 2 ** 20;

/** Two containers, each with a server on 25565, behind the public ports 25570 and 25571. */
async function twoServers(options: InternetOptions = {}) {
  const net = await Internet.create({ ...options, containers: ["lobby", "survival"] });
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container("lobby"), "--name", "lobby");
  await net.dp.addServer(25571, net.container("survival"), "--name", "survival");
  const [lobby, survival] = [await serve(net.container("lobby")), await serve(net.container("survival"))];
  return { net, lobby, survival, [Symbol.asyncDispose]: () => net[Symbol.asyncDispose]() };
}

test("two players download from and upload to two servers at once", async () => {
  await using world = await twoServers({ players: 2 });
  const { net, lobby, survival } = world;
  const all = net.players.flatMap((player) =>
    [25570, 25571].flatMap((port) => [
      transfer(player, { port }, "download", 64 * MEBIBYTE),
      transfer(player, { port }, "upload", 64 * MEBIBYTE),
    ]),
  );
  const transfers = await Promise.all(all);
  expect(transfers).toHaveLength(8);
  for (const { sent, received } of transfers) expect(received).toBe(sent);

  for (const server of [lobby, survival]) {
    const addresses = server.events.filter(({ event }) => event === "connection").map(({ address }) => address);
    expect(addresses.sort()).toEqual([...PLAYER_ADDRESSES, ...PLAYER_ADDRESSES].sort());
  }
});

test("one player uses one source port for connections to two servers", async () => {
  await using world = await twoServers();
  const { net, lobby, survival } = world;
  await using first = await converse(net.player(), { port: 25570 }, 40_000);
  await using second = await converse(net.player(), { port: 25571 }, 40_000);
  await first.event("echo", 5);
  await second.event("echo", 5);
  const peer = { address: PLAYER_ADDRESSES[0], port: 40_000 };
  expect(await lobby.event("connection")).toMatchObject(peer);
  expect(await survival.event("connection")).toMatchObject(peer);
});

test("a client on the uplink's own network reaches a server, which sees its address", async () => {
  await using world = await twoServers({ neighbour: true });
  const { net, lobby } = world;
  const { neighbour } = net;
  if (neighbour === undefined) throw new Error("no neighbour");
  for (const direction of ["download", "upload"] as const) {
    const { sent, received } = await transfer(neighbour, { port: 25570 }, direction, 64 * MEBIBYTE);
    expect(received).toBe(sent);
  }
  expect(await lobby.event("connection")).toMatchObject({ address: NEIGHBOUR_ADDRESS });
});

test("a client behind the uplink's gateway is answered through the gateway, although nothing on the host routes", async () => {
  await using world = await twoServers();
  const { net, lobby } = world;
  const { stdout } = await net.host.run(["sysctl", "-n", "net.ipv4.ip_forward"]);
  expect(stdout.trim()).toBe("0");
  const { sent, received } = await transfer(net.player(), { port: 25570 }, "download", MEBIBYTE);
  expect(received).toBe(sent);
  expect(await lobby.event("connection")).toMatchObject({ address: PLAYER_ADDRESSES[0] });
});

test("a process on the host reaches a container by the container's address", async () => {
  await using world = await twoServers();
  const { net, lobby } = world;
  const [server] = await net.dp.list();
  const target = { address: server?.addresses.ipv4.container as string, port: 25565 };
  for (const direction of ["download", "upload"] as const) {
    const { sent, received } = await transfer(net.host, target, direction, 64 * MEBIBYTE);
    expect(received).toBe(sent);
  }
  expect(await lobby.event("connection")).toMatchObject({ address: server?.addresses.ipv4.gateway });
});

test("the container port may differ from server to server", async () => {
  await using net = await Internet.create();
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container(), "--game-port", "30000");
  await serve(net.container(), 30_000);
  const { sent, received } = await transfer(net.player(), { port: 25570 }, "download", MEBIBYTE);
  expect(received).toBe(sent);
  expect(await refusal(net.player(), { port: 30_000 })).toBe("ECONNREFUSED");
});

test("ports without a server, and the host's own services, are what they were", async () => {
  await using world = await twoServers();
  const { net } = world;
  expect(await refusal(net.player(), { port: 25569 })).toBe("ECONNREFUSED");
  await serve(net.host, 8080);
  const { sent, received } = await transfer(net.player(), { address: PUBLIC_ADDRESS, port: 8080 }, "upload", MEBIBYTE);
  expect(received).toBe(sent);
});
