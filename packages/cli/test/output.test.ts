/** What reaches the reader of a command's output, and what happens when it cannot be written. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cgroup } from "@dp/test-kit/cgroup.ts";
import { execute } from "@dp/test-kit/program.ts";
import { commands } from "../src/run.ts";
import { EXECUTABLE, HostNamespace, requireExecutable, Running } from "./support/host-namespace.ts";

requireExecutable();
setDefaultTimeout(120_000);

const PACKAGE = join(import.meta.dir, "..");
/** The package runs in these ways. */
const PROGRAMS = [
  ["the executable", [EXECUTABLE]],
  ["Node", ["node", join(PACKAGE, "dist/main.js")]],
  ["Bun", [process.execPath, join(PACKAGE, "src/main.ts")]],
] as const;

/** Runs a command with a pipe of one page for standard output. Reads nothing at first, then slowly. */
const SLOW_READER = `
import fcntl, os, subprocess, sys, time
reader, writer = os.pipe()
fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
os.set_blocking(writer, sys.argv[1] == "blocking")
child = subprocess.Popen(sys.argv[2:], stdout=writer)
os.close(writer)
time.sleep(0.5)
while data := os.read(reader, 4096):
    os.write(1, data)
    time.sleep(0.01)
sys.exit(child.wait())`;

/** Runs a command with a pipe that is not read. Prints when it is full and how the command ended; passes SIGTERM on. */
const STALLED_READER = `
import fcntl, os, signal, struct, subprocess, sys, termios, time
reader, writer = os.pipe()
fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
child = subprocess.Popen(sys.argv[1:], stdout=writer, stderr=subprocess.DEVNULL)
os.close(writer)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
while struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"    "))[0] < 4096: time.sleep(0.01)
print("full", flush=True)
print("ended", child.wait(), flush=True)`;

/** So many that their list is larger than a pipe. */
const SERVERS = 150;

let host: HostNamespace;
const env = () => ({ DP_PIN_ROOT: host.pinRoot });
const inside = (...command: string[]) => [...host.inside, ...command] as [string, ...string[]];

async function run(command: string[]) {
  return execute(inside(...command), { env: env() });
}

beforeAll(async () => {
  host = new HostNamespace();
  const servers = Array.from({ length: SERVERS }, (_, at) => ({ port: 26000 + at, netns: host.container() }));
  const batch = join(host.folder, "servers.jsonl");
  writeFileSync(batch, servers.map((server) => `${JSON.stringify(server)}\n`).join(""));
  expect((await host.dp(["load"])).stderr).toBe("");
  expect((await host.dp(["add-server", "--batch", batch])).stderr).toBe("");
});
afterAll(() => host[Symbol.dispose]());

/** Output that does not change between two runs, of every kind of command. */
const STABLE = [
  ["list", "--json"],
  ["status", "--json"],
  ["status"],
  ["doctor"],
  ["completion", "bash"],
  ["completion", "zsh"],
  ["completion", "fish", "--json"],
  ["--help"],
  ["add-server", "--help"],
  ["help", "proxy"],
];

describe.each(PROGRAMS)("%s", (_, program) => {
  test("the list of the servers is larger than a pipe", async () => {
    expect((await run([...program, "list", "--json"])).stdout.length).toBeGreaterThan(64 * 1024);
  });

  test.each(STABLE)("%s %s reaches a slow reader whole", async (...args) => {
    const command = [...program, ...args.filter((arg) => arg !== undefined)];
    const { code, stdout } = await run(command);
    for (const mode of ["blocking", "nonblocking"]) {
      const slow = await run(["python3", "-c", SLOW_READER, mode, ...command]);
      expect([slow.code, slow.stderr]).toEqual([code, ""]);
      expect(slow.stdout).toBe(stdout);
    }
  });

  test("a signal ends a batch whose result is not read", async () => {
    const batch = join(host.folder, "refused.jsonl");
    writeFileSync(batch, '{"port": 25998, "netns": "none"}\n'.repeat(200));
    await using stalled = new Running(
      inside("python3", "-c", STALLED_READER, ...program, "add-server", "--batch", batch, "--json"),
      env(),
    );
    await stalled.written(1);
    stalled.kill("SIGTERM");
    await stalled.written(2);
    expect(stalled.lines).toEqual(["full", "ended -15"]);
  });

  test("succeeds when its reader closes the pipe", async () => {
    const script = '"$@" | head -n 1; exit "${PIPESTATUS[0]}"';
    const { code, stdout, stderr } = await run(["bash", "-c", script, "bash", ...program, "list"]);
    expect([code, stdout.split("\n").length, stderr]).toEqual([0, 2, ""]);
  });

  test("every command fails when its output cannot be written, and says why", async () => {
    const own = host.container();
    using cgroup = new Cgroup();
    const invocations: Record<string, string[][]> = {
      load: [["load"], ["load", "--json"]],
      status: [["status"], ["status", "--json"]],
      repair: [["repair"], ["repair", "--json"]],
      doctor: [["doctor", "--json"]],
      "add-server": [["add-server", "--port", "25999", "--netns", own]],
      list: [["list"], ["list", "--json"]],
      show: [["show", "25999"]],
      freeze: [["freeze", "25999", "--cgroup", cgroup.path]],
      thaw: [["thaw", "25999"]],
      "del-server": [["del-server", "25999"]],
      completion: [
        ["completion", "zsh"],
        ["completion", "bash", "--json"],
      ],
      // Refused because of the servers: it prints no result.
      unload: [],
      // They run until they are stopped: see below.
      agent: [],
      proxy: [],
    };
    expect(Object.keys(invocations).sort()).toEqual(
      commands()
        .map(({ name }) => name)
        .sort(),
    );
    const others = [["--help"], ["--version"], ["list", "--help"], []];
    for (const args of [...Object.values(invocations).flat(), ...others]) {
      const script = 'exec "$@" > /dev/full';
      const { code, stderr } = await run(["bash", "-c", script, "bash", ...program, ...args]);
      expect([args, code, stderr]).toEqual([args, 1, "dp: cannot write to standard output: ENOSPC\n"]);
    }
  });

  test.each(["agent", "proxy"])("%s goes on when its log cannot be written, and fails at the end", async (command) => {
    const script = 'exec "$@" > /dev/full';
    await using service = new Running(inside("bash", "-c", script, "bash", ...program, command), env());
    const message = "dp: warning: the log cannot be written: ENOSPC\n";
    for (let i = 0; i < 500 && !service.stderr.includes(message); i++) await Bun.sleep(20);
    expect(service.stderr).toBe(message);
    service.kill("SIGTERM");
    expect(await service.ended()).toBe(1);
    expect(service.stderr).toBe(`${message}dp: warning: lines of the log that were lost: 2\n`);
  });
});
