/**
 * Players behind a wire that carries less than the others, and routers that say so:
 *
 *     player ── provider ══ internet ── host ── container
 *                   MTU 1400 or 1280
 *
 * What is too long for that wire must not be lost in silence: the router's "fragmentation needed", about a packet of
 * the public address, has to reach the container that sent it.
 */
import { describe, expect, test } from "bun:test";
import { must } from "@dp/test-kit/program.ts";
import { Internet, PLAYER_ADDRESSES, PUBLIC_ADDRESS } from "./topology/internet.ts";
import type { NetworkNamespace } from "./topology/namespace.ts";
import { serve, transfer } from "./traffic/traffic.ts";

const HUNDRED_MEGABYTES = 100_000_000;
const PLAYER = PLAYER_ADDRESSES[0];

/** The MTU on the way to an address, as the kernel has learned it. undefined: it was not told. */
async function learnedMtu(namespace: NetworkNamespace, address: string): Promise<number | undefined> {
  const [route] = JSON.parse(await must(["ip", "-n", namespace.name, "-j", "route", "get", address])) as {
    metrics?: { mtu?: number }[];
  }[];
  return route?.metrics?.find(({ mtu }) => mtu !== undefined)?.mtu;
}

for (const narrow of [1400, 1280]) {
  for (const segmentation of [true, false]) {
    describe(`behind a wire with MTU ${narrow}, segmentation ${segmentation ? "left to the interface" : "done before"}`, () => {
      // Each in a world of its own: an end that has learned the MTU tells the other when it connects (RFC 9293 3.7.1).
      async function world(): Promise<Internet> {
        const net = await Internet.create({ narrow });
        await net.dp.must("load");
        await net.dp.addServer(25570, net.container());
        for (const namespace of [net.container(), net.host, net.player()]) {
          await namespace.features("eth0", { tso: segmentation, gso: segmentation, gro: segmentation });
        }
        await serve(net.container());
        return net;
      }

      test("100 MB go down, after the container was told", async () => {
        await using net = await world();
        expect(await learnedMtu(net.container(), PLAYER)).toBeUndefined();
        const { sent, received } = await transfer(net.player(), { port: 25570 }, "download", HUNDRED_MEGABYTES);
        expect(received).toBe(sent);
        expect(await learnedMtu(net.container(), PLAYER)).toBe(narrow);
        expect(await learnedMtu(net.host, PLAYER)).toBeUndefined();
      });

      test("100 MB go up, after the player was told", async () => {
        await using net = await world();
        const { sent, received } = await transfer(net.player(), { port: 25570 }, "upload", HUNDRED_MEGABYTES);
        expect(received).toBe(sent);
        expect(await learnedMtu(net.player(), PUBLIC_ADDRESS)).toBe(narrow);
      });
    });
  }
}

test("a player whom the container's own firewall refuses is told at once", async () => {
  await using net = await Internet.create({ players: 2 });
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container());
  await serve(net.container());
  const rule = `ip saddr ${PLAYER} tcp dport 25565 reject with icmp type admin-prohibited`;
  await must(
    net
      .container()
      .inside(["nft", `add table ip filter; add chain ip filter input { type filter hook input priority 0; }`]),
  );
  await must(net.container().inside(["nft", `add rule ip filter input ${rule}`]));

  // Bun and Node call every refusal ECONNREFUSED; bash says what the kernel does of this one.
  const { code, stderr } = await net.player(0).run(["bash", "-c", `exec 3<>/dev/tcp/${PUBLIC_ADDRESS}/25570`]);
  expect(code).toBe(1);
  expect(stderr).toContain("No route to host");
  const { sent, received } = await transfer(net.player(1), { port: 25570 }, "download", 1000);
  expect(received).toBe(sent);
});
