/**
 * A proxy in a process of its own, run inside a namespace by the tests: options as JSON in the first argument, log
 * entries as JSON lines on stdout, commands as lines on stdin. JavaScript, so that Node runs it too, with the built
 * package instead of the sources.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const underBun = process.versions.bun !== undefined;
const { startProxy, toJson } = await import(underBun ? "../src/index.ts" : "../dist/index.js");

const SERVERS = {
  "10.2.0.2": { name: "one", port: 25565 },
  "10.2.0.3": { name: "two", port: 25566 },
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
  if (line === "replace") SERVERS["10.2.0.2"] = { name: "three", port: 25567 };
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
// Nothing ends the process but an empty event loop: whatever the proxy left open would keep it.
await proxy.stopped;
print("stopped", {});
input.close();
process.stdin.destroy();
