/**
 * What containers open: the programs that redirect it, in every change of a server, and the server that the proxy
 * finds for it.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Flow, openPinned } from "@dp/core";
import { Netlink, openNamespace } from "@dp/netlink";
import { DatapathError } from "@dp/sys";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { addServer, delServer, load, ServerDirectory, show, unload } from "../src/index.ts";
import { cgroup2Mount, cgroupFolder, cgroupOfProcess } from "../src/kernel/cgroup.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

const PORT = 25570;
/** Of the first server. */
const HOST_PEER = "dp1";
const SERVER_PROGRAMS = ["arp", "snat", "tproxy_container", "tproxy_host"];

beforeAll(async () => {
  using sandbox = new Sandbox();
  await load(sandbox.options);
  await unload(sandbox.options);
});

/** Sends datagrams to port 53 of resolvers from one socket inside a container. */
function query(container: string, sourcePort: number, ...resolvers: string[]): void {
  const script = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
for resolver in sys.argv[2:]: s.sendto(b"?", (resolver, 53))`;
  run("nsenter", `--net=/run/netns/${container}`, "python3", "-c", script, String(sourcePort), ...resolvers);
}

/** Connects to a server on the internet from inside a container, and keeps the connection. */
function hold(container: string): void {
  const script = `
import socket, time
s = socket.create_connection(("192.0.2.80", 443))
time.sleep(60)`;
  Bun.spawn(["nsenter", `--net=/run/netns/${container}`, "python3", "-c", script]).unref();
}

/** The far ends of the host's TCP connections from the proxy's port. */
function connections(): string[] {
  const lines = run("ss", "-Htn", "state", "established", "sport = :9111").split("\n");
  return lines.flatMap((line) => /([\d.]+):\d+\s*$/.exec(line)?.[1] ?? []).sort();
}

async function connected(...addresses: string[]): Promise<void> {
  while (connections().join() !== addresses.join()) await Bun.sleep(10);
}

function flowsOf(sandbox: Sandbox): Flow[] {
  using objects = openPinned({ pinRoot: sandbox.pinRoot });
  return objects.flows.all();
}

function attached(sandbox: Sandbox, iface: string): string[] {
  using objects = openPinned({ pinRoot: sandbox.pinRoot });
  return objects.attachments
    .all()
    .filter((each) => each.iface === iface && each.ifindex !== 0)
    .map(({ program }) => program)
    .sort();
}

function idOf(folder: string): bigint {
  return statSync(folder, { bigint: true }).ino;
}

function cgroupsOf(sandbox: Sandbox): bigint[] {
  using objects = openPinned({ pinRoot: sandbox.pinRoot });
  return objects.attachments.onCgroup().map(({ cgroupId }) => cgroupId);
}

describe("adding a server", () => {
  test("attaches everything before an interface goes up, the container's own end too", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    using namespace = openNamespace(container);
    const up = () => {
      using inside = Netlink.open({ netns: namespace.fd });
      using host = Netlink.open();
      return (inside.link("eth0")?.up ?? false) || (host.link(HOST_PEER)?.up ?? false);
    };
    let before: string[] = [];
    const onStep = () => {
      if (!up()) before = attached(sandbox, HOST_PEER);
    };
    await addServer({ ...options, onStep, port: PORT, netns: container, group: "games" });
    expect(up()).toBe(true);
    expect(before).toEqual(SERVER_PROGRAMS);
    using objects = openPinned({ pinRoot: sandbox.pinRoot });
    const [[hostPeer, entry] = []] = objects.servers.all();
    expect(entry).toMatchObject({ id: 1, forwards: [{ port: PORT, containerPort: 25565 }] });
    expect(entry?.group).toBeGreaterThan(0);
    expect(objects.containers.all()).toEqual([["10.2.0.1", { server: 1, hostPeer: hostPeer as number }]]);
    await unload({ ...options, force: true });
  });

  test("what the container opens is redirected, and counted with the server", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    await addServer({ ...options, port: PORT, netns: container });
    query(container, 4000, "192.0.2.53", "198.51.100.53");
    const flows = flowsOf(sandbox);
    expect(flows.map(({ destination, port, listener }) => [destination.address, port, listener]).sort()).toEqual([
      ["192.0.2.53", 4000, 9053],
      ["198.51.100.53", 4000, 9053],
    ]);
    expect(new Set(flows.map(({ portAtProxy }) => portAtProxy)).size).toBe(2);
    expect(await show({ port: PORT }, options)).toMatchObject({
      flows: 2,
      drops: { noFlow: 0, flows: 0 },
    });
    await unload({ ...options, force: true });
  });
});

describe("removing a server", () => {
  test("forgets its flows, and no other's; the next container with its address has none", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const [one, other, next] = [sandbox.container(), sandbox.container(), sandbox.container()];
    await load(options);
    await addServer({ ...options, port: PORT, netns: one });
    await addServer({ ...options, port: PORT + 1, netns: other });
    for (const container of [one, other]) query(container, 4000, "192.0.2.53", "198.51.100.53");
    expect(flowsOf(sandbox)).toHaveLength(4);
    await delServer({ port: PORT }, options);
    expect(flowsOf(sandbox).map(({ server }) => server)).toEqual([2, 2]);
    const again = await addServer({ ...options, port: PORT, netns: next });
    expect(again.addresses.ipv4?.container).toBe("10.2.0.1");
    expect(await show({ port: PORT }, options)).toMatchObject({ flows: 0 });
    expect(await show({ port: PORT + 1 }, options)).toMatchObject({ flows: 2 });

    // Its container gone first, and with it the interfaces.
    await sandbox.kill(other);
    await delServer({ port: PORT + 1 }, options);
    expect(flowsOf(sandbox)).toEqual([]);
    await unload({ ...options, force: true });
  });

  test("destroys the host's sockets to its container: the next one with its address receives nothing of them", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const [first, other, next] = [sandbox.container(), sandbox.container(), sandbox.container()];
    await load(options);
    using _listener = Bun.listen({ hostname: "0.0.0.0", port: 9111, socket: { data() {} } });
    for (const [at, container] of [first, other].entries()) {
      await addServer({ ...options, port: PORT + at, netns: container });
      hold(container);
    }
    await connected("10.2.0.1", "10.2.0.2");

    await delServer({ port: PORT }, options);
    const again = await addServer({ ...options, port: PORT, netns: next });
    expect(again.addresses.ipv4?.container).toBe("10.2.0.1");
    expect(connections()).toEqual(["10.2.0.2"]);
    expect(flowsOf(sandbox).map(({ server }) => server)).toEqual([2]);
    await unload({ ...options, force: true });
  });

  test("that fails at any step is finished by the next command, flows and all", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    const empty = sandbox.observe();
    const add = async () => {
      await addServer({ ...options, port: PORT, netns: container });
      query(container, 4000, "192.0.2.53");
      expect(flowsOf(sandbox)).toHaveLength(1);
    };
    await add();
    const steps: string[] = [];
    await delServer({ port: PORT }, { ...options, onStep: (step) => steps.push(step) });
    expect(steps).toContain("remove: flows");
    for (const deadly of steps) {
      await add();
      const onStep = (step: string) => {
        if (step === deadly) throw new DatapathError("FAILED", step, "injected");
      };
      const failed = await delServer({ port: PORT }, { ...options, onStep }).catch((error: unknown) => String(error));
      expect(failed).toContain("injected");
      // Whatever failed: an interface that is up has its guards.
      using netlink = Netlink.open();
      if (netlink.link(HOST_PEER) !== undefined) {
        expect([deadly, attached(sandbox, HOST_PEER)]).toEqual([deadly, SERVER_PROGRAMS]);
      }
      await delServer({ port: PORT }, { ...options, ifExists: true });
      expect([deadly, sandbox.observe()]).toEqual([deadly, expect.objectContaining({ pinRoot: pinsOf(empty) })]);
    }
    await unload(options);
  });
});

function pinsOf(observed: unknown): unknown {
  return (observed as { pinRoot: unknown }).pinRoot;
}

describe("loading again", () => {
  test("swaps every program of every server in place, and redirects to other ports at once", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const containers = [sandbox.container(), sandbox.container()];
    await load(options);
    for (const [at, netns] of containers.entries()) await addServer({ ...options, port: PORT + at, netns });
    for (const container of containers) query(container, 4000, "192.0.2.53");
    type Links = { links: { programId: number }[]; cgroupLinks: { programId: number }[] };
    const links = () => pinsOf(sandbox.observe()) as Links;
    const before = links();
    expect(before.links).toHaveLength(2 * SERVER_PROGRAMS.length + 1);
    await load({ ...options, dnsPort: 5300 });
    const after = links();
    const shape = ({ links, cgroupLinks }: Links) => ({
      links: links.map((each) => ({ ...each, programId: 0 })),
      cgroupLinks: cgroupLinks.map((each) => ({ ...each, programId: 0 })),
    });
    expect(shape(after)).toEqual(shape(before));
    const ids = ({ links, cgroupLinks }: Links) => [...links, ...cgroupLinks].map(({ programId }) => programId);
    expect(ids(after).filter((id) => ids(before).includes(id))).toEqual([]);

    for (const container of containers) query(container, 4001, "192.0.2.53");
    const listeners = flowsOf(sandbox).map(({ port, listener }) => `${port} ${listener}`);
    expect(listeners.sort()).toEqual(["4000 9053", "4000 9053", "4001 5300", "4001 5300"]);
    expect(sandbox.warnings).toEqual([]);
    await unload({ ...options, force: true });
  });

  test("attaches programs that were detached, or changes nothing", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    await load(options);
    await addServer({ ...options, port: PORT, netns: sandbox.container(), group: "games" });
    const whole = sandbox.observe();
    {
      using objects = openPinned({ pinRoot: sandbox.pinRoot });
      for (const program of ["tproxy_container", "tproxy_host"] as const) {
        objects.attachments.detach(program, HOST_PEER);
      }
      objects.attachments.detachFromCgroup();
    }
    const lacking = sandbox.observe();
    const steps: string[] = [];
    const failing = (at: number) => (step: string) => {
      steps.push(step);
      if (steps.length > at) throw new DatapathError("FAILED", step, "injected");
    };
    for (let at = 0; ; at++) {
      steps.length = 0;
      const failed = await load({ ...options, onStep: failing(at) }).then(
        () => false,
        () => true,
      );
      if (!failed) break;
      expect([steps.at(-1), sandbox.observe()]).toEqual([steps.at(-1), lacking]);
    }
    expect(steps).toContain(`attach tproxy_container for ${HOST_PEER}`);
    const without = ({ links, ...rest }: { links: object[] }) => ({
      ...rest,
      cgroupLinks: 2,
      links: links.map((each) => ({ ...each, programId: 0 })),
    });
    expect(without(pinsOf(sandbox.observe()) as never)).toEqual(without(pinsOf(whole) as never));
    await unload({ ...options, force: true });
  });

  test("swaps the program of a container whose namespace has no name; one that is gone is warned of", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    await addServer({ ...options, port: PORT, netns: container, name: "lobby" });
    // An open descriptor is all that keeps it.
    const namespace = openNamespace(container);
    run("ip", "netns", "delete", container);
    const { programs, ...loaded } = await load(options);
    expect(loaded).toMatchObject({ upgraded: true, servers: 1 });
    expect(sandbox.warnings).toEqual([]);
    const { links } = pinsOf(sandbox.observe()) as { links: object[] };
    expect(links).toContainEqual(
      expect.objectContaining({
        program: "tproxy_container",
        programId: programs.find(({ name }) => name === "dp_tproxy_container")?.id,
      }),
    );
    rmSync(join(sandbox.pinRoot, "progs", `dp_tproxy_container_${HOST_PEER}`));
    await load(options);
    expect(sandbox.warnings).toHaveLength(1);
    expect(sandbox.warnings[0]).toContain("the container of server lobby (id 1) stays as it was");
    namespace.fd.close();
    await unload({ ...options, force: true });
  });
});

describe("the cgroup of the proxies", () => {
  test("is the cgroup2 mount, then the one that is given, which stays", async () => {
    using sandbox = new Sandbox();
    using cgroup = new Cgroup();
    const { options } = sandbox;
    const mount = cgroup2Mount("test");
    expect(await load(options)).toMatchObject({ cgroup: mount });
    expect(cgroupsOf(sandbox)).toEqual([idOf(mount), idOf(mount)]);
    expect(await load({ ...options, cgroup: cgroup.path })).toMatchObject({ cgroup: cgroup.path });
    expect(cgroupsOf(sandbox)).toEqual([idOf(cgroup.path), idOf(cgroup.path)]);
    expect(await load(options)).toMatchObject({ cgroup: cgroup.path });
    expect(cgroupsOf(sandbox)).toEqual([idOf(cgroup.path), idOf(cgroup.path)]);
    expect(sandbox.warnings).toEqual([]);
    await unload(options);
  });

  test("that is gone is replaced by the mount, with a warning", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const mount = cgroup2Mount("test");
    const gone = join(mount, sandbox.host);
    mkdirSync(gone);
    await load({ ...options, cgroup: gone });
    rmdirSync(gone);
    expect(await load(options)).toMatchObject({ cgroup: mount });
    expect(cgroupsOf(sandbox)).toEqual([idOf(mount), idOf(mount)]);
    expect(sandbox.warnings).toEqual([expect.stringContaining("the cgroup of the proxies is gone")]);
    await unload(options);
  });

  test("a load that fails goes back to the one before, at every step", async () => {
    using sandbox = new Sandbox();
    using cgroup = new Cgroup();
    const { options } = sandbox;
    await load(options);
    const before = sandbox.observe();
    const steps: string[] = [];
    const again = (at: number) =>
      load({
        ...options,
        cgroup: cgroup.path,
        onStep: (step) => {
          steps.push(step);
          if (steps.length > at) throw new DatapathError("FAILED", step, "injected");
        },
      });
    for (let at = 0; ; at++) {
      steps.length = 0;
      const failed = await again(at).then(
        () => false,
        () => true,
      );
      if (!failed) break;
      expect([steps.at(-1), sandbox.observe()]).toEqual([steps.at(-1), before]);
    }
    expect(cgroupsOf(sandbox)).toEqual([idOf(cgroup.path), idOf(cgroup.path)]);
    expect(sandbox.leakedFds).toEqual([]);
    await unload(options);
  });

  test("without any cgroup2, loading says what to do, and leaves nothing", () => {
    using sandbox = new Sandbox();
    const before = sandbox.observe();
    const script = join(import.meta.dir, "support", "without-cgroup2.ts");
    const hide = `awk '$3 == "cgroup2" { print $2 }' /proc/self/mounts | xargs -n 1 umount --lazy; exec "$@"`;
    const command = ["--mount", "--propagation", "private", "bash", "-c", hide, "hide", process.execPath, script];
    const { stdout, stderr } = spawnSync("unshare", [...command, sandbox.pinRoot], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({
      code: "UNSUPPORTED",
      reason: expect.stringContaining("no cgroup2 is mounted"),
      hint: expect.stringContaining("mount -t cgroup2"),
    });
    expect(sandbox.observe()).toEqual(before);
  });
});

describe("the server directory", () => {
  test("knows a server from when it is added until it is removed, also the next server with its address", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const [one, other] = [sandbox.container(), sandbox.container()];
    await load(options);
    using servers = ServerDirectory.open(options);
    expect(servers.proxyPorts()).toEqual({ http: 9080, dns: 9053, tcp: 9111 });
    expect(servers.find("10.2.0.1")).toBeUndefined();
    await addServer({ ...options, port: PORT, netns: one, name: "lobby" });
    for (let i = 0; i < 2; i++) expect(servers.find("10.2.0.1")).toEqual({ id: 1, name: "lobby" });
    await addServer({ ...options, port: PORT + 1, netns: other, name: "games" });
    expect(servers.find("10.2.0.2")).toEqual({ id: 2, name: "games" });
    await delServer({ name: "lobby" }, options);
    expect(servers.find("10.2.0.1")).toBeUndefined();
    await addServer({ ...options, port: PORT + 2, netns: one, name: "arena" });
    expect(servers.find("10.2.0.1")).toEqual({ id: 3, name: "arena" });
    expect(servers.find("10.1.0.1")).toBeUndefined();
    const containers = ["10.2.0.1", "10.2.0.2", "10.2.0.3", "10.1.0.1"].filter((each) => servers.isContainer(each));
    expect(containers).toEqual(["10.2.0.1", "10.2.0.2"]);
    await load({ ...options, tcpPort: 9112 });
    expect(servers.proxyPorts()).toMatchObject({ tcp: 9112 });
    await unload({ ...options, force: true });
  });

  test("finds servers again after everything was unloaded and loaded anew", async () => {
    using sandbox = new Sandbox();
    const { options } = sandbox;
    const container = sandbox.container();
    await load(options);
    const servers = ServerDirectory.open(options);
    await unload(options);
    expect(servers.find("10.2.0.1")).toBeUndefined();
    await load(options);
    await addServer({ ...options, port: PORT, netns: container, name: "lobby" });
    const deadline = performance.now() + 5000;
    while (servers.find("10.2.0.1") === undefined && performance.now() < deadline) await Bun.sleep(50);
    expect(servers.find("10.2.0.1")).toEqual({ id: 1, name: "lobby" });
    servers[Symbol.dispose]();
    await unload({ ...options, force: true });
    expect(sandbox.leakedFds).toEqual([]);
  });

  test("refuses to open where nothing is loaded, and to serve outside of the cgroup", async () => {
    using sandbox = new Sandbox();
    using cgroup = new Cgroup();
    const { options } = sandbox;
    expect(() => ServerDirectory.open(options)).toThrow("datapath is not loaded");
    await load(options);
    {
      using servers = ServerDirectory.open(options);
      servers.requireOwnCgroup();
    }
    await load({ ...options, cgroup: cgroup.path });
    using servers = ServerDirectory.open(options);
    expect(() => servers.requireOwnCgroup()).toThrow(`the datapath is attached to ${cgroup.path}`);
    const home = cgroupFolder(cgroupOfProcess(process.pid) as string);
    writeFileSync(join(cgroup.path, "cgroup.procs"), String(process.pid));
    try {
      servers.requireOwnCgroup();
    } finally {
      writeFileSync(join(home, "cgroup.procs"), String(process.pid));
    }
    await unload(options);
  });
});
