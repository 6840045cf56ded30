import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Internet } from "./internet.ts";
import { must } from "./program.ts";

/**
 * All that `dp` could have changed in a topology, in a form that can be compared: interfaces, addresses, routes and
 * neighbours and queueing disciplines of every namespace, the reserved ports, what is pinned, and every entry of every
 * pinned map but of those that packets write and no command does.
 */
export async function stateOf(net: Internet): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = {};
  for (const namespace of [net.host, ...net.containers.values()]) {
    state[`qdiscs of ${namespace.name}`] = (await must(["tc", "-n", namespace.name, "qdisc", "show"]))
      .split("\n")
      .sort();
    for (const object of ["link", "address", "route", "neighbour"]) {
      state[`${object}s of ${namespace.name}`] = await ip(namespace.name, object);
    }
  }
  const reserved = "net.ipv4.ip_local_reserved_ports";
  state["reserved ports"] = (await net.host.run(["sysctl", "-n", reserved])).stdout.trim();
  state["pins"] = pins(net.dp.pinRoot);
  if (existsSync(join(net.dp.pinRoot, "maps"))) state["maps"] = maps(join(net.dp.pinRoot, "maps"));
  return state;
}

async function ip(namespace: string, object: string): Promise<unknown[]> {
  // Only neighbours that somebody has set: the kernel's own come and go.
  const permanent = object === "neighbour" ? ["nud", "permanent"] : [];
  const text = await must(["ip", "-n", namespace, "-d", "-j", object, "show", ...permanent]);
  // The kernel takes its time to find an IPv6 address unique, and then takes this mark off it.
  return JSON.parse(text, (key, value: unknown) => (key === "tentative" ? undefined : value)) as unknown[];
}

function pins(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort();
}

/** An array of a million, and what is forgotten when there is no more room. */
const WRITTEN_BY_PACKETS = new Set(["dp_players", "dp_fragments"]);

/** The kernel prints a pinned map that has BTF as text to whoever reads the file. */
function maps(directory: string): Record<string, string[]> {
  const names = readdirSync(directory).filter((name) => !WRITTEN_BY_PACKETS.has(name));
  return Object.fromEntries(
    names.map((name) => {
      const lines = readFileSync(join(directory, name), "utf8").split("\n");
      return [name, lines.filter((line) => line !== "" && !line.startsWith("#")).sort()];
    }),
  );
}
