/**
 * What becomes of servers when something dies under them, as an operator sees it: `dp status` names it, `dp repair` or
 * `dp load` repairs it, and meanwhile their packets reach no other container.
 *
 *     player ── internet ── host ── mortal    25570, dies
 *                             ├──── alive     25571, whose players notice nothing
 *                             └──── stranger  whose interface gets the dead one's index
 */
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { must, Program } from "@dp/test-kit/program.ts";
import { DP } from "./topology/dp.ts";
import { Internet, PUBLIC_ADDRESS } from "./topology/internet.ts";
import { MECHANISM } from "./topology/mechanism.ts";
import { Counted } from "./traffic/counted.ts";
import { converse, download, refusal, serve } from "./traffic/traffic.ts";

interface Status {
  readonly loaded: boolean;
  readonly healthy: boolean;
  readonly drops: Readonly<Record<string, number>>;
  readonly findings: readonly { code: string; server?: { id: number; name: string }; fix: string }[];
}

async function twoServers(): Promise<Internet> {
  const net = await Internet.create({ containers: ["mortal", "alive", "stranger"] });
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container("mortal"), "--name", "mortal");
  await net.dp.addServer(25571, net.container("alive"), "--name", "alive");
  await serve(net.container("mortal"));
  await serve(net.container("alive"));
  expect(await status(net)).toMatchObject({ code: 0, healthy: true, findings: [] });
  return net;
}

async function status(net: Internet): Promise<Status & { code: number; what: string[] }> {
  const { code, stdout, stderr } = await net.dp.run("status", "--json");
  expect(stderr).toBe("");
  const document = JSON.parse(stdout) as Status;
  const what = document.findings.map(({ code: kind, server }) =>
    server === undefined ? kind : `${kind} ${server.name}`,
  );
  return { ...document, code, what };
}

/** A player tries to connect to the dead server again and again, until it is disposed of. */
function reconnecting(net: Internet): Program {
  const attempts = `while :; do timeout 0.2 bash -c 'exec 3<>/dev/tcp/${PUBLIC_ADDRESS}/25570' 2>/dev/null; done`;
  return net.player().spawn(["bash", "-c", attempts]);
}

async function hostPeerIndex(net: Internet): Promise<number> {
  const link = (await net.host.links()).find(({ ifname }) => ifname === "dp1");
  if (link === undefined) throw new Error("there is no dp1");
  return link.ifindex;
}

/** The kernel takes a namespace apart in the background. */
async function die(net: Internet): Promise<void> {
  await net.container("mortal")[Symbol.asyncDispose]();
  while ((await net.host.links()).some(({ ifname }) => ifname === "dp1")) await Bun.sleep(20);
}

/** The stranger's interface gets this index on the host. */
async function moveIn(net: Internet, index: number): Promise<void> {
  const stranger = net.container("stranger");
  await net.host.ip(`link add stranger index ${index} type veth peer name eth0 netns ${stranger.name}`);
  await net.host.ip("link set stranger up");
  await stranger.ip("link set eth0 up", "address add 10.2.0.1/32 dev eth0");
}

test("a container dies, and a stranger gets its index and its address: it gets none of its packets", async () => {
  await using net = await twoServers();
  const own = await Counted.at(net.container("mortal"));
  await using playing = await converse(net.player(), { port: 25571 });
  await using cutOff = await converse(net.player(), { port: 25570 });
  expect(await own.packets()).toBeGreaterThan(0);
  const index = await hostPeerIndex(net);
  await using _attempts = reconnecting(net);

  await die(net);
  await moveIn(net, index);
  const seen = await Counted.at(net.container("stranger"));
  await using stranger = await serve(net.container("stranger"));
  await cutOff.event("failed");
  expect(await status(net)).toMatchObject({ code: 1, what: ["host-peer-replaced mortal"] });
  expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");
  expect(await net.dp.must("repair", "--dry-run")).toBe("would remove server mortal (id 1)\n");
  expect(await net.dp.must("repair")).toBe("removed server mortal (id 1)\n");
  expect(await net.dp.must("repair")).toBe("there was nothing to repair\n");
  expect(await status(net)).toMatchObject({ code: 0, findings: [] });
  expect((await net.dp.list()).map(({ name }) => name)).toEqual(["alive"]);
  expect(await refusal(net.player(), { port: 25570 })).toBe("ECONNREFUSED");

  expect(await seen.packets()).toBe(0);
  expect(stranger.events.map(({ event }) => event)).toEqual(["listening"]);
  await playing.event("echo", playing.events.length + 3);
  await net.host.ip("link delete stranger");
});

test.each(["inside", "outside"])("an interface is deleted %s: its server is named and removed", async (side) => {
  await using net = await twoServers();
  await using _attempts = reconnecting(net);
  if (side === "inside") await net.container("mortal").ip("link delete eth0");
  else await net.host.ip("link delete dp1");
  expect(await status(net)).toMatchObject({ code: 1, what: ["host-peer-gone mortal"] });
  const { stdout } = await net.dp.run("status");
  expect(stdout).toStartWith("not healthy\n");
  expect(stdout).toContain("error: server mortal (id 1): ");
  await net.dp.must("repair");
  expect(await status(net)).toMatchObject({ code: 0, findings: [] });

  // The container is alive: it can be added again.
  await net.dp.addServer(25570, net.container("mortal"));
  await using playing = await converse(net.player(), { port: 25570 });
  await playing.event("echo", 3);
});

test.each(["repair", "load"])(
  "the uplink is deleted and made again with another index and address: %s",
  async (how) => {
    await using net = await twoServers();
    const address = "203.0.113.77";
    await net.host.ip("link delete eth0");
    const gone = await status(net);
    expect(gone.code).toBe(1);
    expect(gone.what).toEqual(
      expect.arrayContaining(["public-address-gone mortal", "public-address-gone alive", "uplink-gone"]),
    );

    await net.router.ip(`link add to-host type veth peer name eth0 netns ${net.host.name}`);
    await net.router.ip("link set to-host master lan", "link set to-host up");
    await net.host.ip(`address add ${address}/24 dev eth0`, "link set eth0 up", "route add default via 203.0.113.1");
    expect((await status(net)).code).toBe(1);
    await net.dp.run(how);
    expect(await status(net)).toMatchObject({ code: 0, findings: [] });
    for (const port of [25570, 25571]) {
      await using playing = await converse(net.player(), { address, port });
      await playing.event("echo", 3);
    }
  },
);

test("the uplink's index goes to a stranger: replies that are on their way do not", async () => {
  await using net = await twoServers();
  const { ifindex } = (await net.host.links()).find(({ ifname }) => ifname === "eth0") as { ifindex: number };
  // Never done: there is something to send again when no answer comes any more.
  await using downloading = download(net.player(), { port: 25570 }, 2 ** 40);
  await downloading.event("connected");
  await net.host.ip("link delete eth0");
  await moveIn(net, ifindex);
  const seen = await Counted.at(net.container("stranger"));
  const dropped = async () => (await status(net)).drops["gone"] ?? 0;
  while ((await dropped()) === 0) await Bun.sleep(100);
  expect(await seen.packets()).toBe(0);
  await net.host.ip("link delete stranger");
});

test("pins are removed, and with them what they kept attached: it is attached again", async () => {
  await using net = await twoServers();
  for (const pin of ["dp_snat_dp1", "dp_tproxy_container_dp1", "dp_dnat_eth0"]) {
    rmSync(join(net.dp.pinRoot, "progs", pin));
  }
  const { code, what } = await status(net);
  expect(code).toBe(1);
  expect(what.toSorted()).toEqual(["container-program-detached mortal", "program-detached", "program-detached mortal"]);
  await net.dp.must("repair");
  expect(await status(net)).toMatchObject({ code: 0, findings: [] });
  await using playing = await converse(net.player(), { port: 25570 });
  await playing.event("echo", 3);
});

if (MECHANISM === "tcx") {
  test("the bpffs is unmounted: what it held is gone, the interfaces are cleared, and servers can be added anew", async () => {
    await using net = await twoServers();
    await must(["umount", net.dp.pinRoot]);
    // The kernel takes its time to take the links apart.
    while ((await status(net)).what.includes("record-out-of-sight")) await Bun.sleep(20);
    const lost = await status(net);
    expect(lost).toMatchObject({ code: 3, loaded: false, what: ["orphaned-interface", "orphaned-interface"] });
    expect(await net.dp.must("repair")).toBe(
      [1, 2]
        .map((id) => `removed interface dp${id}: it looks like a host peer, but no record of a server has it\n`)
        .join(""),
    );
    expect((await net.host.links()).map(({ ifname }) => ifname).filter((name) => name.startsWith("dp"))).toEqual([]);
    expect(await status(net)).toMatchObject({ code: 3, findings: [] });
    await net.dp.must("load");
    await net.dp.addServer(25570, net.container("mortal"));
    await using playing = await converse(net.player(), { port: 25570 });
    await playing.event("echo", 3);
  });
} else {
  test("the bpffs is unmounted: filters go on without it, and dp load takes them over", async () => {
    await using net = await twoServers();
    await using playing = await converse(net.player(), { port: 25570 });
    const servers = await net.dp.list();
    await must(["umount", net.dp.pinRoot]);
    const what = ["record-out-of-sight", "record-out-of-sight"];
    expect(await status(net)).toMatchObject({ code: 3, loaded: false, what });
    const { code, stderr } = await net.dp.run("load");
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("the filters that run without them are pinned again") as string,
    });
    expect(await net.dp.list()).toEqual(servers);
    expect(await status(net)).toMatchObject({ code: 0, findings: [] });
    await playing.event("echo", playing.events.length + 2);
  });
}

test("dp agent repairs by itself, says so, and ends when it is told to", async () => {
  await using net = await twoServers();
  await using agent = new Program(net.host.inside([DP, "agent", "--json"]), {
    env: { DP_PIN_ROOT: net.dp.pinRoot },
  });
  await agent.event("started");
  await net.host.ip("link set dp2 down");
  expect(await agent.event("repaired")).toMatchObject({
    finding: { code: "host-peer-down", server: { id: 2 } },
  });
  await die(net);
  expect(await agent.event("server-removed")).toMatchObject({ server: { id: 1, name: "mortal" } });
  expect(await status(net)).toMatchObject({ code: 0, findings: [] });
  await using playing = await converse(net.player(), { port: 25571 });
  await playing.event("echo", 3);

  agent.kill("SIGTERM");
  const { code, stdout, stderr } = await agent.finished();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  expect(JSON.parse(last)).toMatchObject({ event: "stopped" });
});
