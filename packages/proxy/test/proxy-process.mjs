/**
 * The proxy process that the tests start in a namespace. Its options are JSON in the first argument, log entries are
 * JSON lines on stdout, commands are lines on stdin. It is JavaScript, so that Node can run it with the built package.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const underBun = process.versions.bun !== undefined;
const { startProxy, toJson } = await import(underBun ? "../src/index.ts" : "../dist/index.js");

const SERVERS = {
  "10.2.0.2": { id: 1, name: "one" },
  "10.2.0.3": { id: 2, name: "two" },
};

const print = (kind, value) => process.stdout.write(`${kind} ${JSON.stringify(value)}\n`);
const controller = new AbortController();
const proxy = await startProxy({
  ...JSON.parse(process.argv[2] ?? "{}"),
  signal: controller.signal,
  identify: (address) => SERVERS[address],
  log: (entry) => print("log", JSON.parse(toJson(entry))),
  warn: (message) => print("warn", message),
});

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  if (line === "stop") controller.abort();
  if (line === "gc" && underBun) Bun.gc(true);
  if (line === "remove") delete SERVERS["10.2.0.2"];
  if (line === "replace") SERVERS["10.2.0.2"] = { id: 3, name: "three" };
  if (line.startsWith("move ")) {
    const moved = () => print("moved", proxy.ports);
    proxy.moveTo(JSON.parse(line.slice("move ".length))).then(moved, (error) => print("moved", error.message));
  }
  if (line !== "stats") return;
  const memory = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
  const { user, system } = process.cpuUsage();
  const fds = readdirSync("/proc/self/fd").length;
  print("stats", { ...proxy.stats(), memory, fds, cpuMs: (user + system) / 1000 });
});
print("ready", proxy.ports);
// The process ends when its event loop is empty. A timer or socket that the proxy left open would keep it running.
await proxy.stopped;
print("stopped", {});
input.close();
process.stdin.destroy();
