// count-packets INTERFACE [--clsact]: a line of JSON each second, and one at the end (Ctrl-C).
import { once } from "node:events";
import { setInterval } from "node:timers/promises";
import { parseArgs } from "node:util";
import { BpfObject, interfaceIndex, type PerCpuMap } from "@dp/core/libbpf";
import { mapLayouts, object, type Protocol, protocolNames, type Traffic } from "./count.gen.ts";
import { attach, bestMechanism } from "./interface-hook.ts";

const { values, positionals } = parseArgs({ options: { clsact: { type: "boolean" } }, allowPositionals: true });
const [iface] = positionals;
if (iface === undefined) throw new Error("usage: count-packets INTERFACE [--clsact]");

/** The packets of each protocol, over all CPUs: `{ tcp: 12, udp: 3 }`. */
function packets(counts: PerCpuMap<Protocol, Traffic>): Record<string, number> {
  const seen = [...counts].map(([protocol, cpus]): [string, number] => {
    const total = cpus.reduce((sum, cpu) => sum + cpu.packets, 0n);
    return [protocolNames[protocol] ?? "", Number(total)];
  });
  return Object.fromEntries(seen.filter(([, count]) => count > 0));
}

const stop = new AbortController();
void once(process, "SIGINT").then(() => stop.abort());

using loaded = BpfObject.open(object(), { name: "count" }).load();
const received = loaded.map(mapLayouts.received);
const sent = loaded.map(mapLayouts.sent);
const print = () => console.log(JSON.stringify({ received: packets(received), sent: packets(sent) }));

const mechanism = values.clsact === true ? "clsact" : bestMechanism();
const ifindex = interfaceIndex(iface);
using _ingress = attach(loaded.program("count_received"), ifindex, "ingress", mechanism);
using _egress = attach(loaded.program("count_sent"), ifindex, "egress", mechanism);
console.error(`counting the packets of ${iface} (${mechanism}); Ctrl-C ends it`);

try {
  for await (const _ of setInterval(1000, undefined, { signal: stop.signal })) print();
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
print();
