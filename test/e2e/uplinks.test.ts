/**
 * Hosts with more than one way in. Beside the internet of topology/internet.ts:
 *
 *     player ── internet ──┬── eth0 203.0.113.10, 203.0.113.11 ──┐
 *     198.51.100.10        │                                     ├ host ── containers
 *                          └── eth1 192.0.2.10 ──────────────────┘
 *
 * The default route leaves by eth0. A reply leaves by the uplink its player came in by, whatever the routes say. VLANs
 * and bonds as uplinks are tried where there are such: in the virtual machines of tools/vm.
 */
import { expect, test } from "bun:test";
import { must } from "@dp/test-kit/program.ts";
import type { Server } from "./topology/dp.ts";
import { GATEWAY, Internet, PUBLIC_ADDRESS } from "./topology/internet.ts";
import type { NetworkNamespace } from "./topology/namespace.ts";
import { stateOf } from "./topology/state.ts";
import { converse, refusal, serve, transfer } from "./traffic/traffic.ts";

interface Loaded {
  readonly uplinks: readonly { name: string }[];
}

interface Status extends Loaded {
  readonly healthy: boolean;
}

const SECOND = "203.0.113.11";
const OTHER = "192.0.2.10";

/** With the second address, and `eth1` of the host. */
async function twoUplinks(containers: readonly string[]): Promise<Internet> {
  const net = await Internet.create({ containers });
  const { router, host } = net;
  const peer = ["peer", "name", "eth1", "netns", host.name];
  await must(["ip", "-n", router.name, "link", "add", "to-eth1", "type", "veth", ...peer]);
  await router.ip("address add 192.0.2.9/29 dev to-eth1", "link set to-eth1 up");
  await host.ip(`address add ${SECOND}/24 dev eth0`, `address add ${OTHER}/29 dev eth1`, "link set eth1 up");
  // Asked for a way out of eth1, the kernel has one; asked for any, it has the other.
  await host.ip("route add default via 192.0.2.9 dev eth1 metric 200");
  return net;
}

/** Packets that an interface has sent. */
async function sentBy(namespace: NetworkNamespace, ifname: string): Promise<number> {
  const [link] = JSON.parse(await must(["ip", "-n", namespace.name, "-j", "-s", "link", "show", ifname])) as {
    stats64: { tx: { packets: number } };
  }[];
  return link?.stats64.tx.packets ?? 0;
}

async function bytesArrive(net: Internet, address: string, port: number): Promise<void> {
  for (const direction of ["download", "upload"] as const) {
    const { sent, received } = await transfer(net.player(), { address, port }, direction, 3_000_000);
    expect(received).toBe(sent);
  }
}

test("servers on two uplinks, and on a second address of one", async () => {
  const places = [
    { container: "one", address: "203.0.113.10", port: 25570, leaves: "eth0" },
    { container: "two", address: SECOND, port: 25571, leaves: "eth0" },
    { container: "three", address: OTHER, port: 25572, leaves: "eth1" },
  ];
  await using net = await twoUplinks(places.map(({ container }) => container));
  await net.dp.must("load", "--iface", "eth0", "--iface", "eth1");
  for (const { container, address, port, leaves } of places) {
    const server = await net.dp.addServer(port, net.container(container), "--address", address);
    expect(server.forwards).toMatchObject([{ address, port, uplink: leaves }]);
    await serve(net.container(container));
  }
  for (const { address, port, leaves } of places) {
    const before = await sentBy(net.host, leaves);
    await bytesArrive(net, address, port);
    // 3 MB down, in super-packets of at most 64 KiB.
    expect(await sentBy(net.host, leaves)).toBeGreaterThan(before + 3_000_000 / 65_536);
    // On its own address only.
    for (const other of places.filter((each) => each.address !== address)) {
      expect(await refusal(net.player(), { address: other.address, port })).toBe("ECONNREFUSED");
    }
  }
});

test("two servers have one port, each on its own address, and each is told from the other", async () => {
  await using net = await twoUplinks(["one", "two", "three"]);
  await net.dp.must("load", "--iface", "eth0", "--iface", "eth1");
  const port = 25570;
  const [one, two] = [net.container("one"), net.container("two")];
  const plain = await net.dp.addServer(port, one);
  const other = await net.dp.addServer(port, two, "--address", OTHER);
  expect([plain.name, plain.hostPeer.name]).toEqual(["server-25570", "dp1"]);
  expect([other.name, other.hostPeer.name]).toEqual(["server-25570-2", "dp2"]);
  const third = await net.dp.run(
    "add-server",
    "--port",
    `${port}`,
    "--address",
    OTHER,
    "--netns",
    net.container("three").name,
  );
  expect([third.code, third.stderr]).toEqual([
    5,
    expect.stringContaining(`${OTHER}:${port}/tcp is taken by server server-25570-2 (id 2)`),
  ]);
  await serve(one);
  await serve(two);
  await bytesArrive(net, "203.0.113.10", port);
  await bytesArrive(net, OTHER, port);

  for (const command of ["show", "freeze", "thaw", "del-server"]) {
    for (const which of [[`${port}`], [`${port}/tcp`], ["--port", `${port}`]]) {
      const { code, stderr } = await net.dp.run(command, ...which);
      expect([command, code]).toEqual([command, 2]);
      expect(stderr).toContain("hint: name one of them: server-25570, server-25570-2\n");
    }
  }
  const show = (...which: string[]) => net.dp.json<Server>("show", ...which);
  for (const which of [
    [`${OTHER}:${port}`],
    [`${OTHER}:${port}/tcp`],
    ["--port", `${port}`, "--address", OTHER],
    ["id:2"],
  ]) {
    expect(await show(...which)).toMatchObject({ name: "server-25570-2" });
  }
  for (const which of [["server-25570"], ["--name", "server-25570"], [`203.0.113.10:${port}`]]) {
    expect(await show(...which)).toMatchObject({ id: 1, forwards: [{ address: "203.0.113.10" }] });
  }

  // The port stays reserved for as long as one of them has it, whichever goes first.
  const reserved = () =>
    must(["nsenter", `--net=${net.host.path}`, "cat", "/proc/sys/net/ipv4/ip_local_reserved_ports"]);
  await using playing = await converse(net.player(), { address: OTHER, port });
  await net.dp.must("del-server", `203.0.113.10:${port}`);
  expect((await reserved()).trim()).toBe(`${port}`);
  expect(await refusal(net.player(), { port })).toBe("ECONNREFUSED");
  await playing.event("echo", playing.events.length + 3);
  await bytesArrive(net, OTHER, port);
  await net.dp.must("load");
  expect(await net.dp.must("status")).toContain("healthy");
  await net.dp.must("del-server", `${port}`);
  expect((await reserved()).trim()).toBe("");
});

test("an interface that is no uplink is refused for a server, and says how to make it one", async () => {
  await using net = await twoUplinks(["one"]);
  await net.dp.must("load");
  const add = ["add-server", "--port", "25570", "--netns", net.container("one").name, "--address"];
  const refused = await net.dp.run(...add, OTHER);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("dp load --iface eth0 --iface eth1");
  expect((await net.dp.run(...add, "192.0.2.99")).stderr).toContain("is not an address of this host");
  await net.dp.must("load", "--iface", "eth0", "--iface", "eth1");
  await net.dp.must(...add, OTHER);
  await serve(net.container("one"));
  await bytesArrive(net, OTHER, 25570);
});

test("an uplink is taken away from under no server", async () => {
  await using net = await twoUplinks(["one"]);
  await net.dp.must("load", "--iface", "eth0", "--iface", "eth1");
  await net.dp.addServer(25570, net.container("one"), "--address", OTHER);
  const { code, stderr } = await net.dp.run("load", "--iface", "eth0");
  expect(code).toBe(5);
  expect(stderr).toContain("25570");
  await serve(net.container("one"));
  await bytesArrive(net, OTHER, 25570);
});

test("an uplink's new MTU is its servers' with the next dp load; one that was given is kept", async () => {
  await using net = await Internet.create({ containers: ["follows", "given"], mtu: 9000 });
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container("follows"));
  await net.dp.addServer(25571, net.container("given"), "--mtu", "1400");
  await serve(net.container("follows"));
  const mtus = async () => {
    const of = async (namespace: NetworkNamespace, name: string) =>
      (await namespace.links()).find(({ ifname }) => ifname === name)?.mtu;
    return {
      follows: [await of(net.container("follows"), "eth0"), await of(net.host, "dp1")],
      given: [await of(net.container("given"), "eth0"), await of(net.host, "dp2")],
    };
  };
  expect(await mtus()).toEqual({ follows: [9000, 9000], given: [1400, 1400] });
  await using playing = await converse(net.player(), { port: 25570 });

  for (const mtu of [1500, 1280, 9000]) {
    await net.host.ip(`link set eth0 mtu ${mtu}`);
    await net.dp.must("load");
    expect(await mtus()).toEqual({ follows: [mtu, mtu], given: [1400, 1400] });
    await bytesArrive(net, "203.0.113.10", 25570);
  }
  await playing.event("echo", playing.events.length + 3);
  expect(playing.events.filter(({ event }) => event === "failed")).toEqual([]);
});

test("an uplink gets another name: its servers stay with it, and nothing is left when they go", async () => {
  await using net = await Internet.create({ containers: ["one"] });
  const untouched = await stateOf(net);
  const rename = async (from: string, to: string) => {
    await net.host.ip(`link set ${from} down`, `link set ${from} name ${to}`, `link set ${to} up`);
    await net.host.ip(`route add default via ${GATEWAY}`);
  };
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container("one"));
  await serve(net.container("one"));
  await using playing = await converse(net.player(), { port: 25570 });

  await rename("eth0", "wan0");
  const { healthy, uplinks } = await net.dp.json<Status>("status");
  expect({ healthy, uplinks: uplinks.map(({ name }) => name) }).toEqual({ healthy: true, uplinks: ["wan0"] });
  const loaded = await net.dp.json<Loaded>("load");
  expect({ ...loaded, uplinks: loaded.uplinks.map(({ name }) => name) }).toMatchObject({
    uplinks: ["wan0"],
    repaired: [],
  });
  await playing.event("echo", playing.events.length + 2);
  await bytesArrive(net, PUBLIC_ADDRESS, 25570);

  await net.dp.must("unload", "--force");
  await rename("wan0", "eth0");
  expect(await stateOf(net)).toEqual({ ...untouched, mounts: expect.anything() as unknown });
});
