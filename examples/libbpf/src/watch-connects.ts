// watch-connects CGROUP [--refuse PORT]... [--quiet]: a line for each connection that a process in the cgroup makes.
import { once } from "node:events";
import { parseArgs } from "node:util";
import { attachCgroup, BpfObject } from "@dp/core/libbpf";
import { connection, mapLayouts, object, variableLayouts } from "./connect.gen.ts";

const { values, positionals } = parseArgs({
  options: { refuse: { type: "string", multiple: true }, quiet: { type: "boolean" } },
  allowPositionals: true,
});
const [cgroup] = positionals;
if (cgroup === undefined) throw new Error("usage: watch-connects CGROUP [--refuse PORT]... [--quiet]");

const stop = new AbortController();
void once(process, "SIGINT").then(() => stop.abort());

// What is constant to the programs is set between open and load.
const open = BpfObject.open(object(), { name: "connect" });
open.setVariable(variableLayouts.tell_all, values.quiet !== true);
using loaded = open.load();

const refused = loaded.map(mapLayouts.refused_ports);
refused.setMany((values.refuse ?? []).map((port) => [Number(port), 0n]));
using connections = loaded.ringBuffer(mapLayouts.connections, connection);

using _ipv4 = attachCgroup({ program: loaded.program("connect4"), cgroup, attachType: "inet4Connect" });
using _ipv6 = attachCgroup({ program: loaded.program("connect6"), cgroup, attachType: "inet6Connect" });
console.error(`watching ${cgroup}; Ctrl-C ends it`);

for await (const { command, pid, address, port, refused } of connections.records({ signal: stop.signal })) {
  console.log(`${command}[${pid}] ${refused ? "refused" : "allowed"} ${address} ${port}`);
}
for (const [port, times] of refused) console.log(`port ${port}: refused ${times} times`);
const lost = loaded.variable(variableLayouts.lost);
if (lost > 0n) console.log(`${lost} more were not told of`);
