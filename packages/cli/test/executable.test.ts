/** dist/dp, the compiled executable, in network namespaces of its own. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Server } from "@dp/host";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { execute } from "@dp/test-kit/program.ts";
import packageJson from "../package.json" with { type: "json" };
import { EXECUTABLE, HostNamespace, requireExecutable } from "./support/host-namespace.ts";
import { dp } from "./support/terminal.ts";

requireExecutable();
setDefaultTimeout(60_000);

describe("without doing anything", () => {
  test("--version is the package's, and takes under 40 ms of a processor that is not too slow", () => {
    expect(Bun.spawnSync([EXECUTABLE, "--version"]).stdout.toString()).toBe(`${packageJson.version}\n`);
    // The best of many, because other processes run at the same time.
    const least = (command: string[]) => {
      const times = Array.from({ length: 15 }, () => Bun.spawnSync(command).resourceUsage.cpuTime.total);
      return Math.min(...times.map(Number)) / 1000;
    };
    const runtimeAlone = least([process.execPath, "-e", "0"]);
    expect(least([EXECUTABLE, "--version"])).toBeLessThan(Math.max(40, 10 * runtimeAlone));
  });

  test("--help prints the same as in process", async () => {
    for (const argv of [[], ["--help"], ["add-server", "--help"]]) {
      expect(await execute([EXECUTABLE, ...argv])).toEqual(await dp(argv));
    }
  });

  test("--help, --version and a wrong command line load neither libbpf nor the native module", async () => {
    const loaded = async (args: string[]) =>
      (await execute([EXECUTABLE, ...args], { env: { LD_DEBUG: "libs" } })).stderr;
    for (const args of [["--version"], ["--help"], ["load", "--help"], ["show", "--port", "x"]]) {
      const trace = await loaded(args);
      expect(trace).toContain("libc.so.6");
      expect(trace).not.toContain("libbpf");
      expect(trace).not.toContain(".node");
    }
    // Or the trace would prove nothing.
    using host = new HostNamespace();
    expect((await host.dp(["load"], { LD_DEBUG: "libs" })).stderr).toContain("libbpf.so.1");
  });

  test("succeeds when its reader closes the pipe", async () => {
    const { code, stderr } = await execute(["bash", "-c", `"${EXECUTABLE}" --help | true; exit "\${PIPESTATUS[0]}"`]);
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("when the machine lacks something", () => {
  test("not root: it says so, with a hint", async () => {
    // /proc/self/exe of another user's process can be in a folder this one may not enter: so by descriptor.
    const script = `exec setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/9 list 9<"${EXECUTABLE}"`;
    const { code, stdout, stderr } = await execute(["bash", "-c", script]);
    expect([code, stdout, stderr]).toEqual([
      6,
      "",
      "dp: list servers: this needs root\nhint: run it as root: sudo dp ...\n",
    ]);
  });

  test("no folder for its native module: it says so", async () => {
    const { code, stdout, stderr } = await execute([EXECUTABLE, "list"], { env: { TMPDIR: "/dev/null/none" } });
    expect([code, stdout]).toEqual([6, ""]);
    expect(stderr).toStartWith("dp: load the native module: ");
    expect(stderr).toContain("$TMPDIR, must be writable");
  });

  test("no libbpf: it names the package to install, and leaves nothing", async () => {
    using host = new HostNamespace();
    writeFileSync(join(host.folder, "libbpf.so.1"), "");
    const { code, stdout, stderr } = await host.dp(["load"], { LD_LIBRARY_PATH: host.folder });
    expect([code, stdout]).toEqual([6, ""]);
    expect(stderr).toStartWith("dp: load libbpf.so.1: ");
    expect(stderr).toContain("hint: install it: apt-get install libbpf1");
    expect(existsSync(host.pinRoot)).toBe(false);
  });
});

describe("on a host", () => {
  test("a server from add-server to del-server, in JSON", async () => {
    using host = new HostNamespace();
    using cgroup = new Cgroup();
    const container = host.container();
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await host.dp([...args, "--json"]);
      expect([code, stderr]).toEqual([0, ""]);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    expect(await json("load")).toMatchObject({
      upgraded: false,
      pinRoot: host.pinRoot,
      publicAddresses: { ipv4: "203.0.113.10" },
    });
    const server = await json("add-server", "--port", "25570", "--netns", container, "--name", "lobby");
    expect(server).toEqual({
      id: 1,
      name: "lobby",
      group: null,
      state: "active",
      createdAt: expect.any(String) as string,
      owner: "cli",
      network: "own",
      trusted: false,
      container: null,
      netns: `/run/netns/${container}`,
      forwards: [
        {
          protocol: "tcp",
          address: "203.0.113.10",
          port: 25570,
          count: 1,
          containerAddress: "10.2.0.1",
          containerPort: 25565,
          uplink: "up0",
          mtu: 1500,
        },
      ],
      addresses: { ipv4: { container: "10.2.0.1", gateway: "10.1.0.1" } },
      hostPeer: { ifindex: expect.any(Number) as number, name: "dp1", mac: expect.any(String) as string },
      containerPeer: { ifindex: expect.any(Number) as number, name: "eth0", mac: "0a:58:00:00:00:01" },
    });
    expect(await json("list")).toEqual([server] as never);
    const { forwards } = server as { forwards: object[] };
    const shown = { ...server, forwards: [{ ...forwards[0], in: { packets: 0 }, out: { packets: 0 } }], flows: 0 };
    for (const selector of [
      ["lobby"],
      ["25570"],
      ["25570/tcp"],
      ["203.0.113.10:25570"],
      ["203.0.113.10:25570/tcp"],
      ["id:1"],
      ["--name", "lobby"],
      ["--port", "25570"],
      ["--port", "25570", "--address", "203.0.113.10"],
    ]) {
      expect(await json("show", ...selector)).toMatchObject(shown);
    }
    expect(await json("load")).toMatchObject({ upgraded: true, servers: 1 });
    expect(await json("freeze", "id:1", "--cgroup", cgroup.path)).toMatchObject({ id: 1, state: "frozen" });
    expect(await json("thaw", "25570/tcp")).toMatchObject({ id: 1, state: "active", thawed: true });
    expect(await json("del-server", "lobby")).toEqual({ removed: [server] });
    expect(await json("del-server", "lobby", "--if-exists")).toEqual({ removed: [] });
    expect(await json("list")).toEqual([] as never);
    expect(await json("unload")).toMatchObject({ unloaded: true });
    expect(await json("unload")).toMatchObject({ unloaded: false });
  });

  test("every failure has its exit code, an empty standard output, and a hint that helps", async () => {
    using host = new HostNamespace();
    const [one, other] = [host.container(), host.container()];
    const fails = async (code: number, ...args: string[]) => {
      const outcome = await host.dp(args);
      expect([args, outcome.code, outcome.stdout]).toEqual([args, code, ""]);
      expect(outcome.stderr).toStartWith("dp: ");
      expect(outcome.stderr.split("\n").length).toBeLessThanOrEqual(3);
      return outcome.stderr;
    };
    expect(await fails(3, "list")).toContain("run `dp load` first");
    await fails(3, "add-server", "--port", "1", "--netns", one);
    await fails(2, "load", "--iface", "nope0");
    await host.dp(["load"]);
    await host.dp(["add-server", "--port", "25570", "--netns", one]);
    expect(await fails(4, "show", "25571")).toContain("there is no server on port 25571");
    expect(await fails(4, "show", "25570/udp")).toContain("there is no server on port 25570/udp");
    expect(await fails(4, "show", "203.0.113.11:25570")).toContain("there is no server on 203.0.113.11:25570");
    expect(await fails(4, "freeze", "lobby")).toContain("there is no server named lobby");
    expect(await fails(4, "thaw", "id:2")).toContain("there is no server with the id 2");
    await fails(4, "del-server", "25571", "--json");
    expect(await fails(2, "add-server", "--port", "auto", "--netns", other, "--name", "25571")).toContain(
      "is a number",
    );
    await fails(5, "add-server", "--port", "25570", "--netns", other);
    await fails(5, "add-server", "--port", "auto", "--netns", one, "--json");
    await fails(1, "add-server", "--port", "auto", "--netns", "clitest-none");
    expect(await fails(5, "unload")).toContain("dp unload --force");
    expect((await host.dp(["unload", "--force"])).stdout).toBe("deleted server server-25570 (id 1)\nunloaded\n");
  });

  test("a port of several servers is ambiguous: exit code 2, with the candidates", async () => {
    using host = new HostNamespace();
    await host.other(["ip", "address", "add", "203.0.113.11/24", "dev", "up0"]);
    await host.dp(["load"]);
    const servers = [
      ["lobby", "203.0.113.10"],
      ["games", "203.0.113.11"],
    ] as const;
    for (const [name, address] of servers) {
      const netns = host.container();
      const options = ["--port", "25570", "--netns", netns, "--name", name, "--address", address];
      expect(await host.dp(["add-server", ...options])).toMatchObject({ code: 0, stderr: "" });
    }
    for (const selector of [["25570"], ["25570/tcp"], ["--port", "25570"]]) {
      for (const command of ["show", "del-server", "freeze", "thaw"]) {
        const { code, stdout, stderr } = await host.dp([command, ...selector]);
        expect([code, stdout]).toEqual([2, ""]);
        expect(stderr).toContain("belongs to several servers: server lobby (id 1), server games (id 2)\n");
        expect(stderr).toContain("hint: name one of them: ");
      }
    }
    expect((await host.dp(["show", "203.0.113.11:25570"])).stdout).toStartWith("games active\n");
    expect((await host.dp(["del-server", "--port", "25570", "--address", "203.0.113.10"])).stdout).toBe(
      "deleted server lobby (id 1)\n",
    );
    expect((await host.dp(["show", "25570"])).stdout).toStartWith("games active\n");
  });

  test("--verbose prints the steps on standard error", async () => {
    using host = new HostNamespace();
    const { code, stdout, stderr } = await host.dp(["load", "--verbose", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ upgraded: false });
    expect(stderr).toContain("dp: step: attach dnat to up0\n");
    await host.dp(["unload"]);
  });

  test("commands at the same time get different ids, ports and addresses", async () => {
    using host = new HostNamespace();
    await host.dp(["load"]);
    const containers = Array.from({ length: 20 }, () => host.container());
    const outcomes = await Promise.all(
      containers.map((netns) => host.dp(["add-server", "--port", "auto", "--netns", netns, "--json"])),
    );
    expect(outcomes.map(({ code }) => code)).toEqual(containers.map(() => 0));
    const servers = outcomes.map(({ stdout }) => JSON.parse(stdout) as Server);
    expect(new Set(servers.map(({ id }) => id)).size).toBe(20);
    expect(new Set(servers.flatMap(({ forwards }) => forwards.map(({ port }) => port))).size).toBe(20);
    expect(new Set(servers.map(({ addresses }) => addresses.ipv4?.container)).size).toBe(20);
    expect((await host.dp(["del-server", "--all"])).stdout.trimEnd().split("\n")).toHaveLength(20);
    expect((await host.dp(["unload"])).code).toBe(0);
  });
});
