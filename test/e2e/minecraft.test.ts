import { expect, test } from "bun:test";
/**
 * Real Minecraft software at both ends, of three protocol generations:
 *
 *     player ── internet ── host ── container
 *     198.51.100.10        203.0.113.10:25570 → 10.2.0.1:25565
 */
import { join } from "node:path";
import { Internet, PLAYER_ADDRESSES, PUBLIC_ADDRESS } from "./topology/internet.ts";

const program = (name: string, version: string) => [
  "bun",
  join(import.meta.dirname, "minecraft", `${name}.ts`),
  version,
];

for (const version of ["1.16.5", "1.20.4", "1.21.4"]) {
  test(`a ${version} client pings, joins and chats, and the server sees the player's own address`, async () => {
    await using net = await Internet.create();
    await net.dp.must("load");
    await net.dp.addServer(25570, net.container());
    const server = net.container().spawn([...program("server", version), "25565"]);
    await server.event("listening");
    const client = [...program("client", version), PUBLIC_ADDRESS, "25570"];

    await using pinging = net.player().spawn([...client, "ping"]);
    expect(await pinging.event("status")).toMatchObject({ description: "A server behind datapath", version });

    await using playing = net.player().spawn([...client, "join", "Alex", "good morning"]);
    expect(await playing.event("chat")).toMatchObject({ message: "Alex said: good morning" });
    expect((await playing.finished()).code).toBe(0);

    expect(await server.event("login")).toMatchObject({ username: "Alex", address: PLAYER_ADDRESSES[0] });
    expect(await server.event("chat")).toMatchObject({ username: "Alex", message: "good morning" });
    for (const { event, address } of server.events)
      if (event === "connection") expect(address).toBe(PLAYER_ADDRESSES[0]);
  });
}
