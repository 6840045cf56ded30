/**
 * The units of examples/systemd, with a real systemd as process 1 of the host:
 *
 *     player ── internet ── host ── container
 *     198.51.100.10     │  203.0.113.10:25570 → 10.2.0.1:25565
 *                   neighbour 203.0.113.50:80, a web server
 */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Booted, UNITS } from "./systemd/booted.ts";
import type { Server } from "./topology/dp.ts";
import { Internet, NEIGHBOUR_ADDRESS } from "./topology/internet.ts";
import { converse, serve } from "./traffic/traffic.ts";

const DP = "/usr/local/bin/dp";
const SERVICES = ["datapath.service", "datapath-proxy.service", "datapath-agent.service"];
/** The tests use addresses that are reserved for documentation, which the proxy refuses unless they are allowed. */
const SETTINGS = [`PROXY_OPTIONS=--allow ${NEIGHBOUR_ADDRESS} --dns ${NEIGHBOUR_ADDRESS}`];

async function addServer(host: Booted, container: string): Promise<void> {
  await host.must(DP, "add-server", "--port", "25570", "--netns", container);
}

async function servers(host: Booted): Promise<Server[]> {
  return JSON.parse(await host.must(DP, "list", "--json")) as Server[];
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await holds()); looks++) {
    if (looks === 300) throw new Error(`waited in vain: ${what}`);
    await Bun.sleep(100);
  }
}

/** The proxy has started, and listens a moment later. */
async function untilWell(host: Booted): Promise<void> {
  await until("dp doctor finds nothing", async () => {
    const { code, stdout } = await host.run(DP, "doctor");
    return code === 0 && stdout.endsWith("\nnothing is wrong\n");
  });
}

test("systemd finds nothing wrong with them, and little that could be locked further", async () => {
  await using net = await Internet.create();
  await using host = await Booted.boot(net.host);
  const paths = readdirSync(UNITS)
    .filter((name) => /\.(service|slice)$/.test(name))
    .map((name) => `/etc/systemd/system/${name}`);
  expect(paths).toHaveLength(4);
  const { code, stdout, stderr } = await host.run("systemd-analyze", "verify", ...paths);
  expect([code, stdout, stderr]).toEqual([0, "", ""]);
  for (const service of SERVICES) {
    // 0 is locked up, 100 is open: a service with no settings has 96.
    await host.must(
      "systemd-analyze",
      "security",
      "--offline=true",
      "--threshold=33",
      join("/etc/systemd/system", service),
    );
  }
});

test("after a boot it is loaded, players get in, and what a container opens gets out by the proxy", async () => {
  await using net = await Internet.create({ neighbour: true });
  await using host = await Booted.boot(net.host, SETTINGS);
  for (const service of SERVICES) expect(await host.show(service, "ActiveState")).toEqual({ ActiveState: "active" });
  await untilWell(host);

  await addServer(host, net.container().name);
  await serve(net.container());
  await using playing = await converse(net.player(), { port: 25570 });
  await playing.event("echo", 3);
  net.neighbour?.spawn(["busybox", "httpd", "-f", "-p", "80", "-h", UNITS]);
  const fetched = await net.container().run(["curl", "-sS", "-m", "30", `http://${NEIGHBOUR_ADDRESS}/datapath.slice`]);
  expect([fetched.code, fetched.stderr]).toEqual([0, ""]);
  expect(fetched.stdout).toBe(await Bun.file(join(UNITS, "datapath.slice")).text());

  // By hand it would be outside of the slice.
  const byHand = await host.run(DP, "proxy");
  expect(byHand.code).toBe(1);
  expect(byHand.stderr).toContain("the datapath is attached to /sys/fs/cgroup/datapath.slice");
  await host.must(DP, "unload", "--force");
});

test("players stay through a reload, a restart and the end of every service", async () => {
  await using net = await Internet.create();
  await using host = await Booted.boot(net.host, SETTINGS);
  await addServer(host, net.container().name);
  await serve(net.container());
  await using playing = await converse(net.player(), { port: 25570 });
  const more = async () => {
    const count = playing.events.filter(({ event }) => event === "echo").length;
    await playing.event("echo", count + 3);
  };
  for (const verb of [
    ["reload", "datapath"],
    ["restart", "datapath-proxy", "datapath-agent"],
    ["stop", ...SERVICES],
  ]) {
    await host.must("systemctl", ...verb);
    await more();
  }
  // With the last of them the slice has gone, and what was attached to it.
  await host.must("systemctl", "start", ...SERVICES);
  await more();
  await untilWell(host);
  expect(playing.events.some(({ event }) => event === "failed")).toBe(false);
  await host.must(DP, "unload", "--force");
});

test("a proxy that dies comes back; a server whose container dies is removed, another is repaired", async () => {
  await using net = await Internet.create({ containers: ["container", "other"] });
  await using host = await Booted.boot(net.host, SETTINGS);
  const mainPid = async () => (await host.show("datapath-proxy.service", "MainPID"))["MainPID"];
  const first = await mainPid();
  await host.must("systemctl", "kill", "--signal=SIGKILL", "datapath-proxy.service");
  await until("another proxy", async () => !["0", first].includes(await mainPid()));
  await untilWell(host);

  await addServer(host, net.container("other").name);
  const added = await host.must(DP, "add-server", "--port", "25571", "--netns", net.container().name, "--json");
  const { hostPeer } = JSON.parse(added) as Server;
  await net.container("other")[Symbol.asyncDispose]();
  await until("the server of the dead container is removed", async () => (await servers(host)).length === 1);
  await net.host.ip(`link set ${hostPeer.name} down`);
  await until("the interface is up again", async () => (await host.run(DP, "status")).code === 0);
  await serve(net.container());
  await using playing = await converse(net.player(), { port: 25571 });
  await playing.event("echo", 3);
  await host.must(DP, "unload", "--force");
});
