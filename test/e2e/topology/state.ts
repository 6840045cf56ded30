import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Internet } from "./internet.ts";
import { must } from "./program.ts";

/**
 * All that `dp` could have changed in a topology, in a form that can be compared: interfaces, addresses, routes and
 * neighbours of every namespace, the reserved ports, what is pinned, and the pinned maps' entries.
 */
export async function stateOf(net: Internet): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = {};
  for (const namespace of [net.host, ...net.containers.values()]) {
    for (const object of ["link", "address", "route", "neighbour"]) {
      state[`${object}s of ${namespace.name}`] = await ip(namespace.name, object);
    }
  }
  const reserved = "net.ipv4.ip_local_reserved_ports";
  state["reserved ports"] = (await net.host.run(["sysctl", "-n", reserved])).stdout.trim();
  state["pins"] = pins(net.dp.pinRoot);
  if (existsSync(join(net.dp.pinRoot, "maps"))) state["maps"] = maps(net.dp.pinRoot);
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

/** A million entries that packets write, not `dp`. */
const PLAYERS = "dp_players";

function maps(pinRoot: string): Record<string, string[]> {
  const names = readdirSync(join(pinRoot, "maps")).filter((name) => name !== PLAYERS);
  return Object.fromEntries(names.map((name) => [name, mapUnder(pinRoot, name)]));
}

/** The entries of a pinned map: the kernel prints one that has BTF as text to whoever reads the file. */
export function mapUnder(pinRoot: string, name: string): string[] {
  const lines = readFileSync(join(pinRoot, "maps", name), "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#")).sort();
}
