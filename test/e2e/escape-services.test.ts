/**
 * Programs of the host, and of other servers, that a container's own programs try to talk to:
 *
 *                 host 203.0.113.10   listens on every address it has: TCP 22, UDP 5000
 *          dp1 10.1.0.1 ┌──────┴──────┐ dp2 10.1.0.2
 *                     guest         other   listens on its container port
 *                   10.2.0.1       10.2.0.2
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { Program } from "@dp/test-kit/program.ts";
import { DP } from "./topology/dp.ts";
import { Internet, PUBLIC_ADDRESS } from "./topology/internet.ts";
import { refusal, serve, transfer } from "./traffic/traffic.ts";

const SSH = 22;
const DATAGRAMS = 5000;
const [GATEWAY, OTHER_GATEWAY, OTHER] = ["10.1.0.1", "10.1.0.2", "10.2.0.2"] as const;

async function hostWithServices() {
  const net = await Internet.create({ containers: ["guest", "other"] });
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container("guest"), "--name", "guest");
  await net.dp.addServer(25571, net.container("other"), "--name", "other");
  const ssh = await serve(net.host, SSH);
  const game = await serve(net.container("other"));
  const datagrams = net.host.spawn(["socat", "-u", `UDP4-RECV:${DATAGRAMS}`, "STDOUT"]);
  return { net, ssh, game, datagrams, [Symbol.asyncDispose]: () => net[Symbol.asyncDispose]() };
}

const visitors = ({ events }: Program) => events.filter(({ event }) => event === "connection").length;

async function drops(net: Internet): Promise<Record<string, number>> {
  const shown = await net.dp.json<{ drops: Record<string, number> }>("show", "guest");
  return Object.fromEntries(Object.entries(shown.drops).filter(([, packets]) => packets > 0));
}

test("what listens on the host is reached by the host, and not by a container, on none of its addresses", async () => {
  await using world = await hostWithServices();
  const { net, ssh, game, datagrams } = world;
  const guest = net.container("guest");

  // No answer comes, and the client tries again: until its packets are seen to be dropped.
  const client = join(import.meta.dirname, "traffic/client.ts");
  for (const [address, port, reason] of [
    [GATEWAY, SSH, "tcp"],
    [OTHER, 25565, "eastWest"],
  ] as const) {
    await using attempt = guest.spawn(["bun", client, address, `${port}`, "echo", "60"]);
    while ((await drops(net))[reason] === undefined) await Bun.sleep(5);
    expect(attempt.events).toEqual([]);
  }
  // Redirected, and no proxy runs: refused by the host in the other's name.
  for (const address of [PUBLIC_ADDRESS, OTHER_GATEWAY]) {
    expect(await refusal(guest, { address, port: SSH })).toBe("ECONNREFUSED");
  }
  const before = (await drops(net))["udp"] ?? 0;
  for (const address of [GATEWAY, PUBLIC_ADDRESS, OTHER_GATEWAY, "255.255.255.255"]) {
    const { code, stderr } = await guest.run([
      "bash",
      "-c",
      `echo guest | socat -u - UDP4-SENDTO:${address}:${DATAGRAMS},broadcast`,
    ]);
    expect([code, stderr]).toEqual([0, ""]);
  }
  while (((await drops(net))["udp"] ?? 0) < before + 4) await Bun.sleep(5);
  expect(Object.keys(await drops(net)).sort()).toEqual(["eastWest", "tcp", "udp"]);
  expect([visitors(ssh), visitors(game)]).toEqual([0, 0]);

  // They are there: the host reaches them all.
  for (const address of [GATEWAY, OTHER_GATEWAY, PUBLIC_ADDRESS])
    await transfer(net.host, { address, port: SSH }, "upload", 1);
  await transfer(net.host, { address: OTHER, port: 25565 }, "upload", 1);
  await net.host.run(["bash", "-c", `echo host | socat -u - UDP4-SENDTO:${PUBLIC_ADDRESS}:${DATAGRAMS}`]);
  await datagrams.printed("host");
  await datagrams[Symbol.asyncDispose]();
  expect((await datagrams.finished()).stdout).toBe("host\n");
});

test("dp proxy takes a container to no program of the host, nor of another container", async () => {
  await using world = await hostWithServices();
  const { net, ssh, game } = world;
  const guest = net.container("guest");
  const proxy = net.host.spawn(["env", `DP_PIN_ROOT=${net.dp.pinRoot}`, DP, "proxy", "--json"]);
  await proxy.event("listening");
  // A listener on its own gateway answers nothing that was not redirected: packet/snat.test.ts.
  const targets = [
    `${PUBLIC_ADDRESS}:${SSH}`,
    `${OTHER_GATEWAY}:${SSH}`,
    `${OTHER_GATEWAY}:9111`,
    `${PUBLIC_ADDRESS}:25571`,
  ];
  await using attempt = guest.spawn(["bun", join(import.meta.dirname, "egress/attempt.ts"), ...targets]);
  const { outcomes } = await attempt.event("attempted");
  expect(outcomes).toEqual(targets.map(() => "ECONNRESET"));
  expect([visitors(ssh), visitors(game)]).toEqual([0, 0]);
});
