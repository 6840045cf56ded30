/** Containers that could administer the host's network, by the names that a veth pair gives them for its namespace. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { openNetns } from "@dp/sys";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { run } from "@dp/test-kit/run.ts";
import { administratorOf, dangerousCapabilities } from "../src/container/authority.ts";
import { addServer, type AgentEvent, doctor, load, runAgent, status, unload } from "../src/index.ts";
import { Sandbox } from "./support/sandbox.ts";

requireRoot();
setDefaultTimeout(60_000);

let sandbox: Sandbox;
let running: Bun.Subprocess[] = [];
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(async () => {
  for (const process of running.splice(0)) {
    process.kill("SIGKILL");
    await process.exited;
  }
  sandbox[Symbol.dispose]();
});

/** What Docker gives, with --cap-drop ALL. */
const NOTHING = "-all";
/** The found case: --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW, and no_new_privs. */
const NET_ADMIN = "-all,+net_admin,+net_raw";

/** setpriv's options for a process with these capabilities and no more, and no way to more. */
function limited(capabilities: string): string[] {
  return ["setpriv", `--bounding-set=${capabilities}`, `--inh-caps=${capabilities}`, "--no-new-privs"];
}

/** Starts a process in a container, with these capabilities of the host's user namespace. */
async function start(path: string, capabilities: string, ...namespaces: string[]): Promise<number> {
  const inside = ["nsenter", `--net=${path}`, ...namespaces];
  const command = [...inside, ...limited(capabilities), "sh", "-c", "echo started; exec sleep 1000"];
  const child = Bun.spawn(command, { stdout: "pipe" });
  running.push(child);
  await child.stdout.getReader().read();
  return child.pid;
}

/** A network namespace of the host's user namespace: what containers have without a user namespace of their own. */
function plainContainer(): NetworkNamespace & Disposable {
  const container = new NetworkNamespace();
  container.ip("link", "set", "lo", "up");
  return container;
}

async function refusal(
  change: Promise<unknown>,
): Promise<{ code?: string; message?: string; hint?: string } | undefined> {
  return change.then(
    () => undefined,
    (error: { code: string; message: string; hint: string }) => error,
  );
}

async function codes(): Promise<string[]> {
  return (await status(sandbox.options)).findings.map(({ code }) => code);
}

describe("the attack", () => {
  /** As a tenant: makes an interface on the host's uplink, which has the index of `up0` there. */
  function attack(netns: string, ...tenant: string[]) {
    const uplink = run("ip", "-o", "link", "show", "up0").split(":")[0] ?? "";
    const words = ["ip", "link", "add", "link", `if${uplink}`, "link-netnsid", "0", "name", "mv0", "type", "macvlan"];
    return spawnSync("nsenter", [`--net=${netns}`, ...tenant, ...words], { encoding: "utf8" });
  }

  test("works in a namespace of the host's user namespace, and such a container is refused", async () => {
    using container = plainContainer();
    await load(sandbox.options);
    await start(container.path, NET_ADMIN);
    const before = sandbox.observe();
    const refused = await refusal(addServer({ ...sandbox.options, port: 25570, netns: container.name }));
    expect(refused).toMatchObject({ code: "CONFLICT" });
    expect(refused?.message).toContain("can have CAP_NET_ADMIN: it could change interfaces of the host");
    expect(refused?.hint).toContain("--trusted");
    expect(sandbox.observe()).toEqual(before);

    // Trusted, it is added: and this is what it is trusted not to do.
    const server = await addServer({ ...sandbox.options, port: 25570, netns: container.name, trusted: true });
    expect(server.trusted).toBe(true);
    expect(await codes()).toEqual([]);
    const { status: code, stderr } = attack(container.path, ...limited(NET_ADMIN));
    expect([code, stderr]).toEqual([0, ""]);
    expect(run("ip", "-n", container.name, "-d", "link", "show", "mv0")).toContain("macvlan");
    await unload({ ...sandbox.options, force: true });
  });

  test("is refused by the kernel from a user namespace of the container's own", async () => {
    await load(sandbox.options);
    const own = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo started; exec sleep 1000"];
    const child = Bun.spawn(own, { stdout: "pipe" });
    running.push(child);
    await child.stdout.getReader().read();
    const user = `/proc/${child.pid}/ns/user`;
    const netns = `/proc/${child.pid}/ns/net`;
    await addServer({ ...sandbox.options, port: 25570, netns: `pid:${child.pid}` });
    expect(await codes()).toEqual([]);
    expect(attack(netns, `--user=${user}`, "--").stderr).toContain("Operation not permitted");
    const remove = ["ip", "link", "delete", "eth0"];
    // Its own interface it may delete.
    expect(spawnSync("nsenter", [`--net=${netns}`, `--user=${user}`, ...remove]).status).toBe(0);
    await unload({ ...sandbox.options, force: true });
  });
});

describe("a container of the host's user namespace", () => {
  test.each([
    ["nothing", NOTHING],
    ["what Docker gives", "-all,+chown,+dac_override,+net_bind_service,+net_raw,+setuid,+sys_chroot"],
  ])("with %s is accepted", async (_, capabilities) => {
    using container = plainContainer();
    await start(container.path, capabilities);
    await load(sandbox.options);
    await addServer({ ...sandbox.options, port: 25570, netns: container.name });
    expect(await codes()).toEqual([]);
    await unload({ ...sandbox.options, force: true });
  });

  test.each(["net_admin", "sys_admin", "sys_module", "sys_ptrace"])("with CAP_%s is refused", async (name) => {
    using container = plainContainer();
    await start(container.path, `-all,+${name}`);
    await load(sandbox.options);
    const refused = await refusal(addServer({ ...sandbox.options, port: 25570, netns: container.name }));
    expect(refused?.message).toContain(`CAP_${name.toUpperCase()}`);
    await unload(sandbox.options);
  });

  test("is reported by status, doctor and agent once such a process runs in it, and no more when that has ended", async () => {
    using container = plainContainer();
    await load(sandbox.options);
    await addServer({ ...sandbox.options, port: 25570, netns: container.name, name: "lobby" });
    await start(container.path, NOTHING);
    expect(await codes()).toEqual([]);
    await start(container.path, NET_ADMIN);
    const { healthy, findings } = await status(sandbox.options);
    expect([healthy, findings.map(({ code }) => code)]).toEqual([false, ["container-administers-host"]]);
    expect(findings[0]?.fix).toContain("dp del-server lobby");
    const check = (await doctor(sandbox.options)).checks.find(({ name }) => name === "containers");
    expect(check).toMatchObject({ ok: false, findings: [{ code: "container-administers-host" }] });

    const events: AgentEvent[] = [];
    const controller = new AbortController();
    const agent = runAgent({
      ...sandbox.options,
      signal: controller.signal,
      checkMs: 200,
      onEvent: (event) => events.push(event),
    });
    const until = async (wanted: string) => {
      while (!events.some(({ event }) => event === wanted)) await Bun.sleep(20);
    };
    await until("found");
    running.pop()?.kill("SIGKILL");
    await until("resolved");
    controller.abort();
    await agent;
    expect(events.filter(({ event }) => event === "found")).toMatchObject([
      { finding: { code: "container-administers-host", server: { name: "lobby" } } },
    ]);
    await unload({ ...sandbox.options, force: true });
  });

  test("has processes of a user namespace of their own: they administer nothing of the host", async () => {
    using container = plainContainer();
    const inside = ["nsenter", `--net=${container.path}`, "unshare", "--user", "--map-root-user"];
    const child = Bun.spawn([...inside, "sh", "-c", "echo started; exec sleep 1000"], { stdout: "pipe" });
    running.push(child);
    await child.stdout.getReader().read();
    using netns = openNetns(container.path);
    expect(administratorOf(netns)).toBeUndefined();
  });
});

test("capabilities count where a process is permitted them, can get them from a file, or inherits them", () => {
  const status_ = (sets: Record<string, string>) =>
    ["CapInh", "CapPrm", "CapEff", "CapBnd"].map((set) => `${set}:\t${sets[set] ?? "0000000000000000"}\n`).join("");
  const NET = "0000000000001000";
  expect(dangerousCapabilities(status_({}), true)).toEqual([]);
  for (const set of ["CapInh", "CapPrm", "CapBnd"]) {
    expect(dangerousCapabilities(status_({ [set]: NET }), true)).toEqual(["CAP_NET_ADMIN"]);
  }
  const ptrace = status_({ CapBnd: "0000000000080000" });
  expect([dangerousCapabilities(ptrace, true), dangerousCapabilities(ptrace, false)]).toEqual([["CAP_SYS_PTRACE"], []]);
});
