/**
 * No way around while a server is being added or removed, or after the container has replaced its own interface.
 *
 *     internet ── host 203.0.113.10 ── (dp<id>) ── container, which sends without pause
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { arp, ethernet, EtherType, ipv4, ipv6, raw, tcp, udp } from "@dp/test-kit/frame.ts";
import { PROBES } from "./escape/arrangement.ts";
import { WATCHED_ETHER_TYPES } from "./escape/ether-types.ts";
import { World } from "./escape/world.ts";
import { Injector, Sniffer } from "./raw/packet-socket.ts";
import type { Server } from "./topology/dp.ts";
import { Internet } from "./topology/internet.ts";

const CYCLES = 8;
const MARK = "#nothing-of-this-may-be-seen#";
const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** What is dropped of a server that is there: what would get through unguarded is seen. */
function contraband({ addresses, hostPeer, containerPeer }: Server): Uint8Array[] {
  const { container: self, gateway } = addresses.ipv4;
  const outer = { src: containerPeer.mac, dst: hostPeer.mac };
  return [
    ethernet(outer, ipv4({ src: "10.2.0.99", dst: "192.0.2.1" }, udp({ src: 40_000, dst: 443 }, MARK))),
    ethernet(outer, ipv4({ src: self, dst: "192.0.2.1" }, udp({ src: 40_000, dst: 443 }, MARK))),
    ethernet(outer, ipv4({ src: self, dst: gateway }, tcp({ src: 40_000, dst: 22, flags: "S" }, MARK))),
    ethernet({ ...outer, src: "02:00:00:00:00:99" }, ipv6(udp({ src: 40_000, dst: 53 }, MARK))),
    ethernet(outer, raw(0x88b5, MARK)),
    Uint8Array.from([
      ...ethernet(
        { ...outer, dst: BROADCAST },
        arp({ senderMac: outer.src, senderAddress: "203.0.113.1", targetAddress: "203.0.113.1" }),
      ),
      ...Buffer.from(MARK),
    ]),
  ];
}

/** Packets of the server on port 25570 that were dropped. */
async function dropped(net: Internet): Promise<number> {
  const { drops } = await net.dp.json<{ drops: Record<string, number> }>("show", "25570");
  return Object.values(drops).reduce((sum, packets) => sum + packets, 0);
}

test(`nothing gets out while a server is added and removed, ${CYCLES} times`, async () => {
  await using net = await Internet.create();
  const container = net.container();
  await net.dp.must("load");
  // Once without a flood: what it is given is what it will be given again.
  const server = await net.dp.addServer(25570, container);
  await net.dp.must("del-server", "25570");

  using uplink = await Sniffer.open(net.router, "to-host");
  using host = await Sniffer.open(net.host, undefined, WATCHED_ETHER_TYPES);
  const frames = contraband(server).map((frame) => Buffer.from(frame).toString("hex"));
  const flooder = container.spawn(["bun", join(import.meta.dirname, "escape/flooder.ts"), ...frames]);
  await flooder.event("waiting");
  // Up long before dp would have it up.
  container.spawn(["bash", "-c", "while :; do ip link set eth0 up 2>/dev/null; sleep 0.002; done"]);

  for (let cycle = 1; cycle <= CYCLES; cycle++) {
    expect(await net.dp.addServer(25570, container)).toMatchObject({ addresses: server.addresses });
    await flooder.event("flooding", cycle);
    while ((await dropped(net)) < 100) await Bun.sleep(1);
    await net.dp.must("del-server", "25570");
  }

  for (const sniffer of [uplink, host]) {
    const through = sniffer.frames.filter((frame) => frame.includes(MARK)).map((frame) => frame.toString("hex"));
    expect([...new Set(through)]).toEqual([]);
  }
  // They watch: an ordinary frame is seen by both.
  using onTheWire = await Injector.open(net.host, "eth0");
  using toTheHost = await Injector.open(net.router, "to-host");
  for (const injector of [onTheWire, toTheHost]) {
    injector.send(ethernet({ src: "02:00:00:00:00:01", dst: BROADCAST }, raw(EtherType.ipv4, MARK)));
  }
  for (const sniffer of [uplink, host]) {
    while (!sniffer.frames.some((frame) => frame.includes(MARK))) await Bun.sleep(1);
  }
});

test("an interface that the container has deleted and made again leads nowhere", async () => {
  await using world = await World.create();
  const { net, namespace, ground, attacker } = world;
  await world.check();
  const [{ port }] = attacker.forwards;
  await namespace.ip(
    "link delete eth0",
    `link add eth0 address ${ground.outer.src} type veth peer name other`,
    `address add ${ground.self}/32 dev eth0`,
    "link set eth0 up",
    "link set other up",
  );
  {
    using remade = await Injector.open(namespace, "eth0");
    using other = await Sniffer.open(namespace, "other");
    for (const { name, frames } of PROBES) {
      const mark = world.mark();
      for (const frame of frames(ground, mark)) remade.send(frame as Uint8Array);
      while (!other.frames.some((frame) => frame.includes(mark))) await Bun.sleep(1);
      expect([name, world.seen(mark)]).toEqual([name, {}]);
    }
  }
  // The host is rid of it as of one whose container has died, and takes it in again.
  await net.dp.must("del-server", `${port}`);
  await namespace.ip("link delete eth0");
  await net.dp.addServer(port, namespace, "--group", "g");
  expect((await net.dp.list()).map(({ forwards: [each] }) => each.port)).toContain(port);
});
