/**
 * `dp proxy` of the compiled executable:
 *
 *     container 10.2.0.1 -- dp1 host up0 203.0.113.10    it connects to the host's own address
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync } from "node:fs";
import { execute } from "@dp/test-kit/program.ts";
import { EXECUTABLE, HostNamespace, requireExecutable, type Running } from "./support/host-namespace.ts";
import type { Outcome } from "./support/terminal.ts";

requireExecutable();
setDefaultTimeout(60_000);

/** A TCP server on the host: says hello, and nothing more. */
const SERVER = `
import socket, sys
s = socket.create_server(("203.0.113.10", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    c.sendall(b"hello")
    if len(sys.argv) < 3: c.close()`;

const CLIENT = `
import socket, sys
s = socket.create_connection(("203.0.113.10", int(sys.argv[1])), 5)
print(s.recv(5).decode(), flush=True)
s.recv(5)`;

async function loaded(): Promise<{ host: HostNamespace; container: string }> {
  const host = new HostNamespace();
  const container = host.container();
  await host.dp(["load"]);
  await host.dp(["add-server", "--port", "25570", "--netns", container, "--name", "lobby"]);
  return { host, container };
}

function from(container: string, port: number): Promise<Outcome> {
  return execute(["nsenter", `--net=/run/netns/${container}`, "python3", "-c", CLIENT, String(port)]);
}

/** Waits until the server listens. */
async function serve(host: HostNamespace, ...args: string[]): Promise<Running> {
  const server = host.startOther(["python3", "-c", SERVER, ...args]);
  for (let i = 0; i < 200; i++) {
    const { stdout } = await host.other(["ss", "-Hltn", `sport = :${args[0]}`]);
    if (stdout !== "") break;
    await Bun.sleep(20);
  }
  return server;
}

test("passes on, refuses and logs with a JSON document on each line, and ends cleanly", async () => {
  const { host, container } = await loaded();
  using _host = host;
  await using _server = await serve(host, "4000");
  await using proxy = host.start(["proxy", "--json", "--allow", "203.0.113.10:4000", "--drain", "600"]);
  await proxy.written(1);
  expect(JSON.parse(proxy.lines[0] ?? "")).toMatchObject({
    event: "listening",
    http: 9080,
    dns: 9053,
    tcp: 9111,
  });
  expect(await from(container, 4000)).toMatchObject({ code: 0, stdout: "hello\n" });
  expect((await from(container, 4001)).code).toBe(1);
  await proxy.written(3);

  // One that is added while it runs is known by name.
  const other = host.container();
  await host.dp(["add-server", "--port", "25571", "--netns", other, "--name", "games"]);
  expect(await from(other, 4000)).toMatchObject({ code: 0, stdout: "hello\n" });
  await proxy.written(4);

  proxy.kill("SIGTERM");
  expect([await proxy.ended(), proxy.stderr]).toEqual([0, ""]);
  const [passed, refused, third, stopped] = proxy.lines.slice(1).map((line) => JSON.parse(line) as object);
  expect(passed).toMatchObject({
    event: "connection",
    kind: "tcp",
    server: "lobby",
    serverId: 1,
    source: "10.2.0.1",
    destination: "203.0.113.10",
    destinationPort: 4000,
    bytesIn: 5,
    outcome: "closed",
  });
  expect(refused).toMatchObject({ event: "connection", destinationPort: 4001, outcome: "refused:policy" });
  expect(third).toMatchObject({ server: "games", outcome: "closed" });
  expect(stopped).toMatchObject({ event: "stopped", outcomes: { closed: 2, "refused:policy": 1 }, bytesIn: 10 });
});

test("logs lines of text; open connections have time to finish, and a second signal ends it", async () => {
  const { host, container } = await loaded();
  using _host = host;
  await using _server = await serve(host, "4000", "stay");
  for (const twice of [false, true]) {
    await using proxy = host.start(["proxy", "--allow", "203.0.113.10", "--drain", twice ? "600" : "1"]);
    await proxy.written(1);
    expect(proxy.lines[0]).toMatch(/^\S+Z listening: HTTP 9080, DNS 9053, TCP 9111$/);
    const client = from(container, 4000);
    // The connection is there once the proxy has it in its books: its server has said hello.
    await established(host);
    const start = performance.now();
    proxy.kill("SIGINT");
    if (twice) {
      await Bun.sleep(500);
      proxy.kill("SIGINT");
      expect(await proxy.ended()).toBe(130);
    } else {
      expect(await proxy.ended()).toBe(0);
      expect(performance.now() - start).toBeGreaterThan(900);
      expect(proxy.lines[1]).toMatch(/ lobby tcp 10\.2\.0\.1:\d+ -> 203\.0\.113\.10:4000 stopped out=0 in=5 /);
      expect(proxy.lines[2]).toMatch(/^\S+Z stopped: 1 in all, 0 B out, 5 B in$/);
    }
    expect((await client).stdout).toBe("hello\n");
  }
});

async function established(host: HostNamespace): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const { stdout } = await host.other(["ss", "-Htn", "sport = :4000"]);
    if (stdout.includes("ESTAB")) break;
    await Bun.sleep(20);
  }
  await Bun.sleep(200);
}

/** Connects so many times, and prints how often the server said hello. */
const CLIENTS = `
import socket, sys
hellos = 0
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("203.0.113.10", int(sys.argv[1])), 5) as s: hellos += s.recv(5) == b"hello"
print(hellos)`;

/** Starts it with a pipe for standard output. After the first line, the reader stops reading or closes the pipe. */
const WITH_READER = `
import fcntl, os, signal, subprocess, sys
proxy = subprocess.Popen([sys.argv[1], "proxy", "--allow", "203.0.113.10:4000"], stdout=subprocess.PIPE)
fcntl.fcntl(proxy.stdout, fcntl.F_SETPIPE_SZ, 4096)
os.read(proxy.stdout.fileno(), 1000)
if sys.argv[2] == "closes": proxy.stdout.close()
signal.signal(signal.SIGTERM, lambda *_: proxy.terminate())
print("listening", flush=True)
print("ended", proxy.wait(), flush=True)`;

test.each([
  ["stops", ""],
  ["closes", "dp: warning: the log cannot be written: EPIPE\n"],
])("goes on when the reader of its log %s, and ends by a signal", async (what, says) => {
  const { host, container } = await loaded();
  using _host = host;
  await using _server = await serve(host, "4000");
  await using proxy = host.startOther(["python3", "-c", WITH_READER, host.executable, what]);
  await proxy.written(1);
  const clients = [`--net=/run/netns/${container}`, "python3", "-c", CLIENTS, "4000", "100"];
  for (let round = 0; round < 2; round++) expect((await execute(["nsenter", ...clients])).stdout).toBe("100\n");
  proxy.kill("SIGTERM");
  await proxy.written(2);
  expect(proxy.lines).toEqual(["listening", "ended 0"]);
  expect(proxy.stderr).toStartWith(says);
  expect(proxy.stderr).toMatch(/dp: warning: lines of the log that were lost: \d+\n$/);
});

test("goes on when the disk of its log is full", async () => {
  const { host, container } = await loaded();
  using _host = host;
  await using _server = await serve(host, "4000");
  const command = 'exec "$0" proxy --allow 203.0.113.10:4000 >/dev/full';
  await using proxy = host.startOther(["bash", "-c", command, host.executable]);
  await listening(host);
  for (let i = 0; i < 2; i++) expect(await from(container, 4000)).toMatchObject({ stdout: "hello\n" });
  proxy.kill("SIGTERM");
  expect(await proxy.ended()).toBe(1);
  // That it listens, that it stopped, and of two connections.
  expect(proxy.stderr).toBe(
    "dp: warning: the log cannot be written: ENOSPC\ndp: warning: lines of the log that were lost: 4\n",
  );
});

/** Waits until the proxy listens. */
async function listening(host: HostNamespace): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const { stdout } = await host.other(["ss", "-Hlun", "sport = :9053"]);
    if (stdout !== "") return;
    await Bun.sleep(20);
  }
  throw new Error("the proxy does not listen");
}

test("prints what prevents its start, with the exit code", async () => {
  using host = new HostNamespace();
  const fails = async (code: number, says: string, ...args: string[]) => {
    const outcome = await host.dp(["proxy", ...args]);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toStartWith("dp: ");
    expect(outcome.stderr).toContain(says);
  };
  await fails(3, "run `dp load` first");
  await host.dp(["load"]);
  await using proxy = host.start(["proxy"]);
  await proxy.written(1);
  await fails(5, "TCP 0.0.0.0:9080 is in use");
  proxy.kill("SIGTERM");
  expect(await proxy.ended()).toBe(0);
  await host.dp(["load", "--http-port", "8080"]);
  await using other = host.start(["proxy"]);
  await other.written(1);
  expect(other.lines[0]).toContain("HTTP 8080, DNS 9053, TCP 9111");
});

test.each<[string, ...string[]]>([
  ["the prefix length", "--allow", "10.0.0.0/33"],
  ["bits set behind its prefix", "--allow", "10.1.2.3/8"],
  ["not a port from 1 to 65535", "--deny", "0.0.0.0/0:0"],
  ["only IPv4", "--deny", "::/0"],
  ["not an IPv4 address", "--deny", "example.org"],
  ["not the address of a resolver", "--dns", "resolver.example"],
  ["not the address of a resolver", "--dns", "9.9.9.9:70000"],
  ["--max-connections is 0", "--max-connections", "0"],
  ['--max-connections is "many"', "--max-connections", "many"],
  ["--max-queries is 0", "--max-queries", "0"],
  ["--max-buffer is 2000000", "--max-buffer", "2000000"],
  ['--connect-timeout is "1.5"', "--connect-timeout", "1.5"],
  ["--idle-timeout is 0", "--idle-timeout", "0"],
  ['--drain is "soon"', "--drain", "soon"],
  ["unknown option --alow", "--alow", "10.0.0.0/8"],
  ["--dns lacks its value", "--dns"],
  ['unexpected "now"', "now"],
])("says %s, with exit code 2, loaded or not", async (says, ...args: string[]) => {
  const outcome = await execute([EXECUTABLE, "proxy", ...args]);
  expect([outcome.code, outcome.stdout]).toEqual([2, ""]);
  expect(outcome.stderr).toStartWith("dp: ");
  expect(outcome.stderr).toContain(says);
});

/** What to put before the executable to run it as an ordinary user, who may read all, with this capability if any. */
function asNobody(executable: string, capability: string): string[] {
  // The executable may lie where only root can enter: its descriptor is handed over.
  const capabilities = ["--inh-caps", "--ambient-caps"].map((option) => `${option}=-all${capability}`).join(" ");
  const user = `setpriv --reuid=65534 --regid=65534 --clear-groups ${capabilities}`;
  return ["bash", "-c", `exec ${user} /proc/self/fd/9 "$@" 9<"$0"`, executable];
}

test("needs only the permission to open the pins, and says so without", async () => {
  const { host, container } = await loaded();
  using _host = host;
  await using _server = await serve(host, "4000");
  chmodSync(host.folder, 0o755);
  const without = await host.other([...asNobody(host.executable, ""), "proxy", "--pin-root", host.pinRoot]);
  expect([without.code, without.stdout]).toEqual([6, ""]);
  expect(without.stderr).toContain(
    `no permission to read and write the pins under ${host.pinRoot}\nhint: run it as root, or with CAP_DAC_OVERRIDE`,
  );
  const command = [...asNobody(host.executable, ",+dac_override"), "proxy", "--allow", "203.0.113.10:4000"];
  await using proxy = host.startOther(command);
  await proxy.written(1);
  const { stdout } = await execute(["grep", "-E", "^(Uid|CapEff)", `/proc/${proxy.pid}/status`]);
  expect(stdout).toMatch(/^Uid:\s+65534\s[^]*CapEff:\s+0000000000000002$/m);
  expect(await from(container, 4000)).toMatchObject({ code: 0, stdout: "hello\n" });
  proxy.kill("SIGTERM");
  expect([await proxy.ended(), proxy.stderr]).toEqual([0, ""]);
});

test("refuses its own DNS listener as a resolver", async () => {
  using host = new HostNamespace();
  await host.dp(["load"]);
  for (const own of ["203.0.113.10:9053", "127.0.0.1:9053"]) {
    const outcome = await host.dp(["proxy", "--dns", own]);
    expect([outcome.code, outcome.stdout]).toEqual([2, ""]);
    expect(outcome.stderr).toContain(`${own} is the proxy's own DNS listener`);
  }
});

test("waits for dp load with --until-loaded, until it is stopped", async () => {
  using host = new HostNamespace();
  for (const load of [true, false]) {
    await using proxy = host.start(["proxy", "--until-loaded"]);
    await said(proxy, "dp: warning: the datapath is not loaded: waiting for dp load\n");
    if (load) {
      await host.dp(["load"]);
      await proxy.written(1);
      expect(proxy.lines[0]).toContain(" listening: ");
    }
    proxy.kill("SIGTERM");
    expect(await proxy.ended()).toBe(0);
    await host.dp(["unload"]);
  }
});

/** Waits for this on standard error. */
async function said(proxy: Running, text: string): Promise<void> {
  for (let i = 0; i < 500 && !proxy.stderr.includes(text); i++) await Bun.sleep(20);
  expect(proxy.stderr).toContain(text);
}

test("follows dp load to other ports, as soon as they are free", async () => {
  using host = new HostNamespace();
  await host.dp(["load"]);
  await using proxy = host.start(["proxy"]);
  await proxy.written(1);
  await host.dp(["load", "--tcp-port", "9112"]);
  await proxy.written(2);
  expect(proxy.lines[1]).toEndWith("Z listening: HTTP 9080, DNS 9053, TCP 9112");
  {
    await using _server = await serve(host, "4000");
    await host.dp(["load", "--tcp-port", "4000"]);
    await said(proxy, "dp: warning: dp load redirects to HTTP 9080, DNS 9053, TCP 4000, but");
    await Bun.sleep(2500);
  }
  await proxy.written(3);
  expect(proxy.lines[2]).toEndWith("Z listening: HTTP 9080, DNS 9053, TCP 4000");
  expect(proxy.stderr.match(/warning/g)).toHaveLength(1);
});

test("raises its limit of descriptors, and warns when it is low", async () => {
  using host = new HostNamespace();
  await host.dp(["load"]);
  for (const [limit, few] of [
    ["ulimit -Sn 256", false],
    ["ulimit -n 1024", true],
  ] as const) {
    await using proxy = host.startOther(["bash", "-c", `${limit}; exec "$0" proxy`, host.executable]);
    await proxy.written(1);
    const { stdout } = await execute(["bash", "-c", `grep "open files" /proc/${proxy.pid}/limits`]);
    const [, soft, hard] = /files +(\d+) +(\d+)/.exec(stdout) ?? [];
    expect(soft).toBe(hard);
    expect(Number(hard)).toBeWithin(257, few ? 1025 : Infinity);
    expect(proxy.stderr).toInclude(few ? "the proxy may open 1024 files, two for each connection" : "");
    expect(proxy.stderr !== "").toBe(few);
  }
});
