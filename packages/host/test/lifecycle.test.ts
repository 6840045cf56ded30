/**
 * Load, add, list, delete, unload in the running kernel, and what is left when a step of them fails.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { entriesOf, openPinned } from "@dp/core";
import { Netlink, openNamespace } from "@dp/netlink";
import { DatapathError, type ErrorCode } from "@dp/sys";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { addServer, type AddServerOptions, delServer, list, load, type Server, show, unload } from "../src/index.ts";
import { readSysctl, writeSysctl } from "../src/kernel/sysctl.ts";
import { loadBy, MECHANISMS } from "./support/mechanism.ts";
import { PUBLIC_ADDRESS, Sandbox, SECOND_ADDRESS } from "./support/sandbox.ts";

requireRoot();
// Every step of every change: much work on a busy machine.
setDefaultTimeout(120_000);

// The first use of libbpf and libc opens files that stay open.
beforeAll(async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  await unload(sandbox.options);
});

/** What a promise is rejected with, which must be an error of datapath with this code. */
async function refusal(code: ErrorCode, promise: Promise<unknown>): Promise<DatapathError> {
  const error = await promise.then(
    () => new Error("it was done"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DatapathError);
  expect(`${(error as DatapathError).code}: ${(error as Error).message}`).toStartWith(code);
  return error as DatapathError;
}

/** Collects the names of the steps a change takes. */
async function stepsOf(change: (onStep: (step: string) => void) => Promise<unknown>): Promise<string[]> {
  const steps: string[] = [];
  await change((step) => steps.push(step));
  return steps;
}

/** Fails the step number `at`. */
function failing(at: number): (step: string) => void {
  let count = 0;
  return (step) => {
    if (count++ === at) throw new DatapathError("FAILED", step, "injected");
  };
}

const PORT = 25570;

describe("the way of a server", () => {
  test("loaded, added, listed, shown, deleted, unloaded; and nothing is left", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    const empty = sandbox.observe();

    const loaded = await load(options);
    expect(loaded).toMatchObject({ upgraded: false, publicAddresses: { ipv4: PUBLIC_ADDRESS }, servers: 0 });
    expect(loaded.uplinks.map(({ name }) => name)).toEqual(["up0"]);
    const before = sandbox.observe();

    const server = await addServer({ ...options, port: PORT, netns: container, name: "lobby", group: "games" });
    expect(server).toMatchObject({
      id: 1,
      name: "lobby",
      group: "games",
      state: "active",
      owner: "cli",
      network: "own",
      trusted: false,
      container: null,
      netns: `/run/netns/${container}`,
      forwards: [
        {
          protocol: "tcp",
          address: PUBLIC_ADDRESS,
          port: PORT,
          count: 1,
          containerAddress: "10.2.0.1",
          containerPort: 25565,
          uplink: "up0",
          mtu: 1500,
        },
      ],
      addresses: { ipv4: { container: "10.2.0.1", gateway: "10.1.0.1" } },
      hostPeer: { name: "dp1", mac: "7e:90:c4:ed:df:d0" },
      containerPeer: { name: "eth0", mac: "0a:58:00:00:00:01" },
    });
    expect(Date.now() - Date.parse(server.createdAt)).toBeWithin(0, 10_000);
    expect(await list(options)).toEqual([server]);
    const details = await show({ port: PORT }, options);
    expect(details).toMatchObject(server);
    expect(details.forwards).toMatchObject([{ in: { packets: 0, bytes: 0 }, out: { packets: 0, bytes: 0 } }]);
    expect(readSysctl("ipv4/ip_local_reserved_ports")).toBe(String(PORT));

    expect(await delServer({ port: PORT }, options)).toEqual([server]);
    expect(sandbox.observe()).toEqual(before);
    expect(await unload(options)).toMatchObject({ unloaded: true, removed: [] });
    expect(await unload(options)).toMatchObject({ unloaded: false });
    expect(sandbox.observe()).toEqual({ ...(empty as object), pinRoot: [] });
    expect(sandbox.leakedFds).toEqual([]);
    expect(sandbox.warnings).toEqual([]);
  });

  test("the container has what it needs, and no more", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    run("ip", "-n", container, "link", "set", "lo", "down");
    await load(options);
    const { hostPeer, containerPeer } = await addServer({ ...options, port: PORT, netns: container, mtu: 1400 });

    using namespace = openNamespace(container);
    using inside = Netlink.open({ netns: namespace.fd });
    using host = Netlink.open();
    expect(inside.link("lo")?.up).toBe(true);
    expect(inside.link("eth0")).toMatchObject({
      index: containerPeer.ifindex,
      mac: containerPeer.mac,
      mtu: 1400,
      up: true,
    });
    expect(inside.addresses({ ifindex: containerPeer.ifindex })).toMatchObject([{ address: "10.2.0.1", prefix: 32 }]);
    expect(
      inside
        .routes({ family: "inet" })
        .map(({ destination, gateway }) => [destination, gateway])
        .sort(),
    ).toEqual([
      ["10.1.0.1/32", undefined],
      ["default", "10.1.0.1"],
    ]);
    expect(inside.neighbours({ ifindex: containerPeer.ifindex, family: "inet" })).toMatchObject([
      { address: "10.1.0.1", mac: hostPeer.mac, state: "permanent" },
    ]);
    expect(host.link("dp1")).toMatchObject({ index: hostPeer.ifindex, mac: hostPeer.mac, mtu: 1400, up: true });
    // No IPv6 on either end.
    expect(host.addresses({ ifindex: hostPeer.ifindex })).toMatchObject([{ address: "10.1.0.1", prefix: 32 }]);
    expect(host.routes({ ifindex: hostPeer.ifindex, family: "inet" })).toMatchObject([
      { destination: "10.2.0.1/32", scope: "link", source: "10.1.0.1" },
    ]);
    expect(host.neighbours({ ifindex: hostPeer.ifindex, family: "inet" })).toMatchObject([
      { address: "10.2.0.1", mac: "0a:58:00:00:00:01", state: "permanent" },
    ]);
    await unload({ ...options, force: true });
  });

  test("the MTU is the uplink's unless another is asked for", async () => {
    using sandbox = new Sandbox();
    run("ip", "link", "set", "up0", "mtu", "1444");
    await load(sandbox.options);
    await addServer({ ...sandbox.options, port: PORT, netns: sandbox.container() });
    using host = Netlink.open();
    expect(host.link("dp1")?.mtu).toBe(1444);
    await unload({ ...sandbox.options, force: true });
  });

  test("a player reaches the container, which sees the player's own address; and is counted", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    await addServer({ ...options, port: PORT, netns: container });
    const inside = (name: string, script: string) =>
      Bun.spawn(["nsenter", `--net=/run/netns/${name}`, process.execPath, "-e", script], { stdout: "pipe" });
    const server = inside(
      container,
      `require("net").createServer((s) => { s.end(s.remoteAddress + "\\n"); }).listen(25565, "0.0.0.0", () => console.log("up"));`,
    );
    try {
      await server.stdout.getReader().read();
      const client = inside(
        sandbox.internet,
        `require("net").connect(${PORT}, "${PUBLIC_ADDRESS}").on("data", (d) => process.stdout.write(d)).setTimeout(5000, () => process.exit(1));`,
      );
      expect((await new Response(client.stdout).text()).trim()).toBe("203.0.113.1");
      const [forward] = (await show({ port: PORT }, options)).forwards;
      expect(forward?.in.packets).toBeGreaterThan(2);
      expect(forward?.out.bytes).toBeGreaterThan(60);
    } finally {
      server.kill();
      await server.exited;
    }
    await unload({ ...options, force: true });
  });
});

describe("a step that fails", () => {
  test("of adding leaves nothing, at every step, twice", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    const add = (onStep: (step: string) => void) => addServer({ ...options, onStep, port: PORT, netns: container });
    const steps = await stepsOf(add);
    await delServer({ all: true }, options);
    expect(steps[0]).toBe("note the change");
    expect(steps.slice(-2)).toEqual(["open endpoints", "end the change"]);
    run("ip", "-n", container, "link", "set", "lo", "down");
    const before = sandbox.observe();
    for (const [at, step] of [...steps.entries(), ...steps.entries()]) {
      const error = await refusal("FAILED", add(failing(at)));
      expect(error.message).toBe(`${step}: injected`);
      expect(sandbox.observe()).toEqual(before);
    }
    expect(sandbox.leakedFds).toEqual([]);
    expect(sandbox.warnings).toEqual([]);
    await add(() => undefined);
    await unload({ ...options, force: true });
  });

  test("of a first load leaves nothing, not even the mount", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const before = sandbox.observe();
    const steps = await stepsOf((onStep) => load({ ...options, onStep }));
    await unload(options);
    run("umount", sandbox.pinRoot);
    run("rmdir", sandbox.pinRoot);
    for (const at of [...steps.keys(), ...steps.keys()]) {
      await refusal("FAILED", load({ ...options, onStep: failing(at) }));
      expect(sandbox.observe()).toEqual(before);
    }
    expect(sandbox.leakedFds).toEqual([]);
  });

  test("of a later load leaves the old running", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    sandbox.addInterface("up1");
    sandbox.addInterface("up2");
    await load({ ...options, ifaces: ["up0", "up1"] });
    await addServer({ ...options, port: PORT, netns: sandbox.container() });
    const again = (onStep: (step: string) => void) =>
      load({ ...options, onStep, ifaces: ["up0", "up2"], addresses: [SECOND_ADDRESS], httpPort: 8080 });
    const before = sandbox.observe();
    let steps = 0;
    for (; ; steps++) {
      const error = await again(failing(steps)).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) break;
      expect(String(error)).toContain("injected");
      expect(sandbox.observe()).toEqual(before);
    }
    expect(steps).toBeGreaterThan(6);
    expect(sandbox.observe()).not.toEqual(before);
    expect(sandbox.leakedFds).toEqual([]);
    await unload({ ...options, force: true });
  });

  test.each(MECHANISMS)("of a later load leaves the old running, on an uplink that was renamed, by %s", async (by) => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await loadBy(by, sandbox);
    await addServer({ ...options, port: PORT, netns: sandbox.container() });
    run("ip", "link", "set", "up0", "down");
    run("ip", "link", "set", "up0", "name", "wan0");
    run("ip", "link", "set", "wan0", "up");
    const uplink = () => {
      using objects = openPinned({ pinRoot: sandbox.pinRoot });
      using netlink = Netlink.open();
      const uplinks = objects.attachments.all().filter(({ program, ifindex }) => program === "dnat" && ifindex !== 0);
      return {
        on: uplinks.map(({ ifindex }) => netlink.link(ifindex)?.name),
        old: uplinks.every(({ programId }) => programId === old),
        leaves: objects.uplinks.all().map((ifindex) => netlink.link(ifindex)?.name),
      };
    };
    const old = (() => {
      using objects = openPinned({ pinRoot: sandbox.pinRoot });
      return objects.attachments.programId("dnat");
    })();
    for (let at = 0; ; at++) {
      const loaded = await load({ ...options, onStep: failing(at) }).catch(() => undefined);
      if (loaded !== undefined) {
        expect(at).toBeGreaterThan(6);
        expect(loaded).toMatchObject({ uplinks: [{ name: "wan0" }], repaired: [] });
        break;
      }
      expect(uplink()).toEqual({ on: ["wan0"], old: true, leaves: ["wan0"] });
    }
    expect(uplink()).toEqual({ on: ["wan0"], old: false, leaves: ["wan0"] });
    await unload({ ...options, force: true });
  });

  test("of deleting lets no player in any more, and the next command finishes it", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    const before = sandbox.observe();
    const add = () => addServer({ ...options, port: PORT, netns: container });
    await add();
    const steps = await stepsOf((onStep) => delServer({ port: PORT }, { ...options, onStep }));
    for (const at of steps.keys()) {
      await add();
      const error = await delServer({ port: PORT }, { ...options, onStep: failing(at) }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(String(error)).toContain("injected");
      await delServer({ port: PORT }, options);
      expect(sandbox.observe()).toMatchObject({ ...(before as object), containers: expect.anything() });
    }
    await unload(options);
  });
});

describe("killed in the middle", () => {
  const script = join(import.meta.dir, "support", "killed.ts");
  const killed = (command: string, step: string, sandbox: Sandbox, container: string) => {
    const result = spawnSync(process.execPath, [script, command, step, sandbox.pinRoot, String(PORT), container]);
    expect(result.signal ?? result.stderr.toString()).toBe("SIGKILL");
  };

  test("of adding or deleting, at any step: the next command undoes it", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    const other = sandbox.container();
    await load(options);
    const add = (onStep?: (step: string) => void) => addServer({ ...options, onStep, port: PORT, netns: container });
    const adding = await stepsOf(add);
    const deleting = await stepsOf((onStep) => delServer({ port: PORT }, { ...options, onStep }));
    await addServer({ ...options, port: PORT + 1, netns: other });
    await delServer({ port: PORT + 1 }, options);
    const before = sandbox.observe();
    const deadly: [string, string][] = [
      ...adding.slice(2, -2).map((step): [string, string] => ["add", step]),
      ...deleting.slice(deleting.indexOf("remove: record active") + 1).map((step): [string, string] => ["del", step]),
    ];
    for (const [command, step] of deadly) {
      if (command === "del") await add();
      killed(command, step, sandbox, container);
      await addServer({ ...options, port: PORT + 1, netns: other });
      expect(await list(options)).toMatchObject([{ forwards: [{ port: PORT + 1 }] }]);
      await delServer({ port: PORT + 1 }, options);
      expect([command, step, sandbox.observe()]).toEqual([command, step, before]);
    }
    expect(sandbox.warnings).toHaveLength(deadly.length);
    await unload(options);
  });
});

describe("what was not finished", () => {
  test("a server whose endpoints alone are closed: the next change opens them", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    await addServer({ ...options, port: PORT, netns: container });
    const before = sandbox.observe();
    using objects = openPinned({ pinRoot: sandbox.pinRoot });
    // As a killed thaw, or a killed move to another address, leaves it.
    objects.records.changes.begin(1);
    const [record] = objects.records.all();
    if (record === undefined) throw new Error("there is no record");
    objects.endpoints.setMany(entriesOf(record, false));
    await delServer({ name: "none" }, { ...options, ifExists: true });
    expect(sandbox.observe()).toEqual(before);
    expect(sandbox.warnings).toHaveLength(1);
    await unload({ ...options, force: true });
  });

  test("a root from which a pin was removed by hand can be loaded again, and unloaded", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container() });
    run("rm", join(sandbox.pinRoot, "progs", "dp_snat"));
    await refusal("NOT_LOADED", list(options));
    expect(await load(options)).toMatchObject({ upgraded: true, servers: 1 });
    expect(await list(options)).toMatchObject([{ forwards: [{ port: PORT }], state: "active" }]);
    run("rm", join(sandbox.pinRoot, "progs", "dp_dnat"));
    await refusal("CONFLICT", unload(options));
    expect(await unload({ ...options, force: true })).toMatchObject({
      unloaded: true,
      removed: [{ name: `server-${PORT}` }],
    });
    expect(sandbox.observe()).toMatchObject({ pinRoot: [] });
  });
});

describe("many at once", () => {
  test("twenty get twenty ports, addresses and interfaces", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    const containers = Array.from({ length: 20 }, () => sandbox.container());
    const added = await Promise.all(
      containers.map((netns) => addServer({ pinRoot: sandbox.pinRoot, port: "auto" as const, netns })),
    );
    const different = (of: (server: Server) => unknown) => new Set(added.map(of)).size;
    expect(different(({ forwards }) => forwards[0]?.port)).toBe(20);
    expect(different(({ addresses }) => addresses.ipv4?.container)).toBe(20);
    expect(different(({ addresses }) => addresses.ipv4?.gateway)).toBe(20);
    expect(different(({ hostPeer }) => hostPeer.ifindex)).toBe(20);
    expect(await list(options)).toHaveLength(20);
    expect(readSysctl("ipv4/ip_local_reserved_ports")).toBe("25565-25584");
    expect(await delServer({ all: true }, options)).toHaveLength(20);
    expect(readSysctl("ipv4/ip_local_reserved_ports")).toBe("");
    expect(sandbox.leakedFds).toEqual([]);
    await unload(options);
  });

  test("two first loads make one mount", async () => {
    using sandbox = new Sandbox();
    const results = await Promise.all([load(sandbox.options), load(sandbox.options)]);
    expect(results.map(({ upgraded }) => upgraded).sort()).toEqual([false, true]);
    expect(readFileSync("/proc/self/mountinfo", "utf8").split(` ${sandbox.pinRoot} `)).toHaveLength(2);
    await unload(sandbox.options);
  });
});

describe("a container that died", () => {
  test("is shown as gone and can be deleted, and its number goes to the next", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    const before = sandbox.observe();
    const container = sandbox.container();
    await addServer({ ...options, port: PORT, netns: container });
    await sandbox.kill(container);
    expect(await list(options)).toMatchObject([{ forwards: [{ port: PORT }], state: "gone" }]);
    expect(await show({ port: PORT }, options)).toMatchObject({ state: "gone" });
    expect(await load(options)).toMatchObject({ upgraded: true, servers: 1 });
    await delServer({ port: PORT }, options);
    expect(sandbox.observe()).toMatchObject({ ...(before as object), pinRoot: expect.anything() });
    const next = await addServer({ ...options, port: PORT, netns: sandbox.container() });
    expect(next.addresses.ipv4?.container).toBe("10.2.0.1");
    await unload({ ...options, force: true });
    expect(sandbox.leakedFds).toEqual([]);
  });

  test("another interface that has its host peer's index by now is left alone", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    const container = sandbox.container();
    const { hostPeer } = await addServer({ ...options, port: PORT, netns: container });
    await sandbox.kill(container);
    sandbox.addInterface("stranger", "index", String(hostPeer.ifindex));
    expect(await list(options)).toMatchObject([{ state: "gone" }]);
    await delServer({ port: PORT }, options);
    using netlink = Netlink.open();
    expect(netlink.link("stranger")?.index).toBe(hostPeer.ifindex);
    await unload(options);
  });
});

describe("bad input changes nothing", () => {
  test("when adding", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const taken = sandbox.container();
    const free = sandbox.container();
    const crowded = sandbox.container();
    run("ip", "-n", crowded, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1");
    const listener = createServer();
    await new Promise<void>((listening) => listener.listen(25999, listening));
    const add = (more: Partial<AddServerOptions>) => addServer({ ...options, port: 25600, netns: free, ...more });
    await refusal("NOT_LOADED", add({}));
    await load(options);
    await addServer({ ...options, port: PORT, netns: taken, name: "lobby" });
    sandbox.addInterface("notup");
    run("ip", "addr", "add", "198.51.100.7/24", "dev", "notup");

    const before = sandbox.observe();
    const cases: [ErrorCode, Partial<AddServerOptions>, string][] = [
      ["BAD_USAGE", { port: 0 }, "from 1 to 65535"],
      ["BAD_USAGE", { port: 65536 }, "from 1 to 65535"],
      ["CONFLICT", { port: PORT }, "203.0.113.10:25570/tcp is taken by server lobby (id 1)"],
      ["CONFLICT", { port: 25999 }, "listens on port 25999 of the host"],
      ["FAILED", { netns: "hosttest-none" }, "nothing has this name in /run/netns"],
      ["FAILED", { netns: "pid:4194399" }, "there is no process"],
      ["CONFLICT", { netns: taken }, "already belongs to server lobby (id 1)"],
      ["CONFLICT", { netns: sandbox.host }, "the host's own network namespace"],
      ["CONFLICT", { netns: "pid:self".replace("self", String(process.pid)) }, "the host's own network namespace"],
      ["CONFLICT", { netns: crowded }, "already has an interface eth0"],
      ["BAD_USAGE", { netns: undefined }, "either a network namespace or a container"],
      ["BAD_USAGE", { container: "x" }, "either a network namespace or a container"],
      ["BAD_USAGE", { netns: undefined, container: "--help" }, "not a container's name"],
      ["FAILED", { netns: undefined, container: "hosttest-none" }, "container"],
      ["CONFLICT", { name: "lobby" }, "the name lobby is taken by server lobby (id 1)"],
      ["BAD_USAGE", { name: "-lobby" }, "other characters"],
      ["BAD_USAGE", { group: "a b" }, "other characters"],
      ["BAD_USAGE", { containerAddress: "10.3.0.5" }, "is outside 10.2.0.0/16"],
      ["BAD_USAGE", { containerAddress: "10.2.0.0" }, "the network's own or the broadcast address"],
      ["BAD_USAGE", { containerAddress: "10.2.255.255" }, "the network's own or the broadcast address"],
      ["BAD_USAGE", { gatewayAddress: "10.2.0.5" }, "is outside 10.1.0.0/16"],
      ["CONFLICT", { containerAddress: "10.2.0.1" }, "the address 10.2.0.1 is taken by server lobby (id 1)"],
      ["CONFLICT", { gatewayAddress: "10.1.0.1" }, "the address 10.1.0.1 is taken by server lobby (id 1)"],
      ["CONFLICT", { containerAddress: "10.2.0.9", gatewayAddress: "10.1.0.1" }, "is taken by server lobby (id 1)"],
      ["BAD_USAGE", { address: "198.51.100.1" }, "is not an address of this host"],
      ["BAD_USAGE", { address: "198.51.100.7" }, "is on notup, which is not an uplink"],
      ["BAD_USAGE", { containerPort: 0 }, "the container port"],
      ["BAD_USAGE", { mtu: 67 }, "the MTU"],
      ["BAD_USAGE", { ifname: "a/b" }, "not a name for an interface"],
      ["CONFLICT", { ifname: "lo" }, "already has an interface lo"],
      ["BAD_USAGE", { name: "25600" }, "is a number"],
      ["BAD_USAGE", { owner: "me" }, "is not cli, file:NAME or cni:NETWORK"],
    ];
    for (const [code, options_, message] of cases) {
      const error = await refusal(code, add(options_));
      expect(error.message).toContain(message);
      expect(sandbox.observe()).toEqual(before);
    }
    listener.close();
    await unload({ ...options, force: true });
    expect(sandbox.leakedFds).toEqual([]);
  });

  test("when loading", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const before = sandbox.observe();
    const cases: [ErrorCode, Parameters<typeof load>[0], string][] = [
      ["BAD_USAGE", { ifaces: ["nope0"] }, 'there is no interface "nope0"'],
      ["BAD_USAGE", { ifaces: ["lo"] }, "not an Ethernet interface"],
      ["BAD_USAGE", { addresses: ["198.51.100.1"] }, "is not an address of this host"],
      ["BAD_USAGE", { addresses: ["nonsense"] }, "is not an IPv4 address"],
      ["BAD_USAGE", { hostSubnet: "10.2.0.0/17" }, "overlap"],
      ["BAD_USAGE", { containerSubnet: "203.0.0.0/16" }, "overlaps the host's own network 203.0.113.10/24 on up0"],
      ["BAD_USAGE", { containerSubnet: "10.2.0.1/16" }, "bits set behind its prefix"],
      ["BAD_USAGE", { containerSubnet: "10.2.0.0/31" }, "must be between /8 and /30"],
      ["BAD_USAGE", { containerSubnet: "127.0.0.0/16" }, "127.0.0.0/8 is reserved and cannot be used for servers"],
      ["BAD_USAGE", { containerSubnet: "0.0.0.0/8" }, "0.0.0.0/8 is reserved and cannot be used for servers"],
      ["BAD_USAGE", { hostSubnet: "239.1.0.0/16" }, "224.0.0.0/4 is reserved and cannot be used for servers"],
      ["BAD_USAGE", { portRange: [30000, 20000] }, "ends before it begins"],
      ["BAD_USAGE", { portRange: [0, 20000] }, "the first port of the range"],
      ["BAD_USAGE", { httpPort: 9053 }, "different ports"],
      ["BAD_USAGE", { tcpPort: 70000 }, "the TCP port"],
      ["BAD_USAGE", { cgroup: "/proc" }, "not a folder of a cgroup2 mount"],
      ["BAD_USAGE", { maxServers: 0 }, "maxServers"],
    ];
    for (const [code, more, message] of cases) {
      const error = await refusal(code, load({ ...options, ...more }));
      expect(error.message).toContain(message);
      expect(sandbox.observe()).toEqual(before);
    }
    run("ip", "route", "delete", "default");
    expect((await refusal("FAILED", load(options))).hint).toContain("--iface");
    expect(sandbox.leakedFds).toEqual([]);
  });

  test("when deleting, showing and listing", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await refusal("NOT_LOADED", list(options));
    await refusal("NOT_LOADED", delServer({ all: true }, options));
    await load(options);
    await refusal("NO_SUCH_SERVER", show({ port: PORT }, options));
    await refusal("NO_SUCH_SERVER", delServer({ port: PORT }, options));
    await refusal("NO_SUCH_SERVER", delServer({ name: "lobby" }, options));
    await refusal("BAD_USAGE", delServer({ port: 0 }, options));
    expect(await delServer({ port: PORT }, { ...options, ifExists: true })).toEqual([]);
    expect(await delServer({ all: true }, options)).toEqual([]);
    await unload(options);
  });
});

describe("loading again", () => {
  test("keeps what is not said, and servers their programs' places", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load({ ...options, addresses: [SECOND_ADDRESS], portRange: [30000, 30010], dnsPort: 5353 });
    const server = await addServer({ ...options, port: "auto", netns: sandbox.container() });
    expect(server).toMatchObject({ forwards: [{ port: 30000, address: SECOND_ADDRESS }] });
    expect(await load(options)).toMatchObject({
      upgraded: true,
      publicAddresses: { ipv4: SECOND_ADDRESS },
      portRange: [30000, 30010],
      dnsPort: 5353,
      servers: 1,
    });
    expect(await list(options)).toEqual([server]);
    await unload({ ...options, force: true });
  });

  test.each(MECHANISMS)("stays with %s, and says so when the other is asked for", async (mechanism) => {
    using sandbox = new Sandbox();
    expect(await load({ ...sandbox.options, mechanism })).toMatchObject({ mechanism });
    expect(await load({ ...sandbox.options, mechanism })).toMatchObject({ mechanism });
    expect(sandbox.warnings).toEqual([]);
    const other = mechanism === "tcx" ? "clsact" : "tcx";
    expect(await load({ ...sandbox.options, mechanism: other })).toMatchObject({ mechanism });
    expect(sandbox.warnings).toEqual([
      `not attached by ${other}: what is loaded stays attached by ${mechanism} until dp unload`,
    ]);
    await unload(sandbox.options);
    await refusal("BAD_USAGE", load({ ...sandbox.options, mechanism: "nonsense" as "tcx" }));
  });

  test("refuses what present servers rule out, and names them", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    sandbox.addInterface("up1");
    run("ip", "addr", "add", "198.51.100.1/24", "dev", "up1");
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container(), name: "lobby" });
    const before = sandbox.observe();
    for (const more of [{ containerSubnet: "10.9.0.0/16" }, { hostSubnet: "10.9.0.0/16" }, { ifaces: ["up1"] }]) {
      expect((await refusal("CONFLICT", load({ ...options, ...more }))).message).toContain("server lobby (id 1)");
      expect(sandbox.observe()).toEqual(before);
    }
    for (const ifaces of [["dp1"], ["up0", "dp1"]]) {
      const error = await refusal("BAD_USAGE", load({ ...options, ifaces }));
      expect(error.message).toContain(`dp1 is the host peer of a server and cannot be an uplink`);
      expect(sandbox.observe()).toEqual(before);
    }
    // Of a thousand servers, the thousand interfaces are none to choose from.
    expect((await refusal("BAD_USAGE", load({ ...options, ifaces: ["nope0"] }))).hint).toBe("there are up0, up1x, up1");
    const stranded = await refusal("CONFLICT", load({ ...options, ifaces: ["up1"] }));
    expect(stranded.hint).toBe("name it too, or delete the servers first: dp load --iface up1 --iface up0");
    expect((await refusal("CONFLICT", unload(options))).message).toContain("server lobby (id 1)");
    expect(sandbox.observe()).toEqual(before);
    await unload({ ...options, force: true });
  });

  test("takes an uplink that was not named any more off, and finds one made again under its name", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const uplinks = async (promise: ReturnType<typeof load>) => (await promise).uplinks.map(({ name }) => name);
    sandbox.addInterface("up1");
    expect(await uplinks(load({ ...options, ifaces: ["up0", "up1"] }))).toEqual(["up0", "up1"]);
    expect(await uplinks(load(options))).toEqual(["up0", "up1"]);
    expect(await uplinks(load({ ...options, ifaces: ["up0"] }))).toEqual(["up0"]);
    expect(sandbox.observe()).toMatchObject({
      pinRoot: { links: [{ program: "dnat", iface: "up0" }], containers: [] },
    });

    await addServer({ ...options, port: PORT, netns: sandbox.container() });
    run("ip", "link", "delete", "up0");
    sandbox.addInterface("up0");
    run("ip", "link", "set", "up0", "up");
    run("ip", "addr", "add", `${PUBLIC_ADDRESS}/24`, "dev", "up0");
    const again = await load(options);
    const index = again.uplinks[0]?.ifindex;
    expect(sandbox.observe()).toMatchObject({
      pinRoot: { records: [{ forwards: [{ uplink: index }] }], settings: { uplink: index } },
    });
    await unload({ ...options, force: true });
  });
});

describe("reserved ports", () => {
  test("others' entries stay, also where they are a server's port too", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    writeSysctl("ipv4/ip_local_reserved_ports", "1000-1010,25570");
    await load(options);
    await addServer({ ...options, port: 25570, netns: sandbox.container() });
    await addServer({ ...options, port: 25571, netns: sandbox.container() });
    expect(readSysctl("ipv4/ip_local_reserved_ports")).toBe("1000-1010,25570-25571");
    await delServer({ all: true }, options);
    expect(readSysctl("ipv4/ip_local_reserved_ports")).toBe("1000-1010,25570");
    await unload(options);
  });
});

describe("groups", () => {
  test("servers of one name have one number, others another", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    for (const [at, group] of ["a", "b", "a", undefined].entries()) {
      await addServer({ ...options, port: PORT + at, netns: sandbox.container(), group });
    }
    using objects = openPinned({ pinRoot: sandbox.pinRoot });
    const groups = new Map(objects.servers.all().map(([, { id, group }]) => [id, group]));
    expect(groups.get(1)).toBe(groups.get(3) as number);
    expect(new Set([groups.get(1), groups.get(2), groups.get(4)]).size).toBe(3);
    expect(groups.get(4)).toBe(0);
    await unload({ ...options, force: true });
  });
});
