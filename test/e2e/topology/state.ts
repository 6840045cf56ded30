import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { BpfMap, hasTcx, Program, queryTcx, u32 } from "@dp/core/libbpf";
import { expediteGracePeriods, openNetns, withNetns } from "@dp/sys";
import { must } from "@dp/test-kit/program.ts";
import type { Internet } from "./internet.ts";
import type { NetworkNamespace } from "./namespace.ts";

/** Everything `dp` could have changed, by what it is. */
export type State = Record<string, unknown>;

/**
 * All that `dp` could have changed in a topology, in a form that can be compared: interfaces, addresses, routes,
 * neighbours, the programs on hooks, filters and settings of every namespace, the reserved ports among them; mounts,
 * what is pinned, and every entry of every pinned map.
 */
export async function stateOf(
  net: Internet,
  namespaces: readonly NetworkNamespace[] = [net.host, ...net.containers.values()],
): Promise<State> {
  const states = await Promise.all(namespaces.map((each) => stateOfNamespace(each)));
  const state: State = Object.assign({}, ...states);
  state["mounts"] = mounts(net.dp.pinRoot);
  state["pins"] = pins(net.dp.pinRoot);
  if (existsSync(join(net.dp.pinRoot, "maps"))) state["maps"] = maps(join(net.dp.pinRoot, "maps"));
  return state;
}

async function stateOfNamespace(namespace: NetworkNamespace): Promise<State> {
  if (!existsSync(namespace.path)) return {};
  const { name } = namespace;
  const [links, addresses, routes, neighbours, queues] = await Promise.all([
    json(["ip", "-n", name, "-d", "-j", "link"]),
    json(["ip", "-n", name, "-d", "-j", "address"]),
    json(["ip", "-4", "-n", name, "-d", "-j", "route", "show", "table", "all"]),
    // Only neighbours that were set: those that the kernel found come and go.
    json(["ip", "-n", name, "-d", "-j", "neighbour", "show", "nud", "permanent"]),
    json(["tc", "-n", name, "-j", "qdisc"]),
  ]);
  using netns = openNetns(namespace.path);
  const interfaces = links as { ifindex: number; ifname: string }[];
  return {
    [`links of ${name}`]: links,
    [`addresses of ${name}`]: addresses,
    [`routes of ${name}`]: routes,
    [`neighbours of ${name}`]: neighbours,
    // The kernel's own queues come with an interface; clsact is what filters need.
    [`filters of ${name}`]: (queues as { kind: string }[]).filter(
      ({ kind }) => kind === "clsact" || kind === "ingress",
    ),
    ...withNetns(netns, () => ({
      [`programs of ${name}`]: Object.fromEntries(interfaces.flatMap(programs)),
      [`settings of ${name}`]: settings(),
    })),
  };
}

async function json(command: string[]): Promise<unknown[]> {
  return JSON.parse((await must(command)) || "[]", settled) as unknown[];
}

/**
 * What the kernel gets round to in its own time is left out: finding an IPv6 address unique, and noticing that the
 * other end of a wire is up.
 */
function settled(key: string, value: unknown): unknown {
  if (["tentative", "operstate", "qdisc"].includes(key)) return undefined;
  if (key !== "flags" || !Array.isArray(value)) return value;
  return value.filter((flag) => !["linkdown", "NO-CARRIER", "LOWER_UP"].includes(flag as string));
}

/** By name, in the order in which they run. */
function programs({ ifindex, ifname }: { ifindex: number; ifname: string }): [string, string[]][] {
  // Where there are none, there are filters: compared with the qdiscs.
  if (!hasTcx()) return [];
  return (["ingress", "egress"] as const).flatMap((direction) => {
    const names = queryTcx(ifindex, direction).entries.map(({ programId }) => {
      using program = Program.fromId(programId);
      return program.name;
    });
    return names.length === 0 ? [] : [[`${ifname} ${direction}`, names]];
  });
}

/** Those a network stack has for each interface, and those that are about ports. In the calling thread's namespace. */
function settings(): Record<string, unknown> {
  const root = "/proc/sys/net";
  const conf = (version: number, names?: readonly string[]) => {
    const folder = join(root, `ipv${version}/conf`);
    return (existsSync(folder) ? readdirSync(folder) : []).map((iface) => {
      const files = (names ?? readdirSync(join(folder, iface))).map((name) => join(folder, iface, name));
      return [`ipv${version} of ${iface}`, readAll(files)] as const;
    });
  };
  const others = ["ip_forward", "ip_local_port_range", "ip_local_reserved_ports"].map((name) =>
    join(root, "ipv4", name),
  );
  return Object.fromEntries([...conf(4), ...conf(6, ["disable_ipv6", "forwarding"]), ["ports", readAll(others)]]);
}

function readAll(files: readonly string[]): Record<string, string> {
  return Object.fromEntries(files.map((file) => [basename(file), readFileSync(file, "utf8").trim()]));
}

function mounts(root: string): string[] {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return lines.filter((line) => line.split(" ")[1]?.startsWith(root));
}

function pins(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.endsWith(".debug"))
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort();
}

function maps(directory: string): Record<string, string[]> {
  // Written by the programs, at any time; dp_traffic has all its entries from the start, megabytes of them.
  const names = readdirSync(directory).filter((name) => !["dp_traffic", "dp_sweeps"].includes(name));
  return Object.fromEntries(names.map((name) => [name, entries(join(directory, name)).sort()]));
}

/** The entries of a pinned map, as text. */
export function mapUnder(pinRoot: string, name: string): string[] {
  return entries(join(pinRoot, "maps", name)).sort();
}

/** "7: {0,}": an array's entry that was never written. */
const EMPTY = /^\d+: \{0,\}$/;

/**
 * The kernel prints a pinned map that has BTF as text to a reader of the file, but not those of devices and of maps:
 * the value in an array of maps is the kernel's number of the inner map.
 */
function entries(path: string): string[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.filter((line) => line !== "" && !line.startsWith("#") && !EMPTY.test(line));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
    using map = BpfMap.fromPin(path, u32, u32);
    // Before Linux 6.8 each look-up in a map of maps waits for one.
    using _ = expediteGracePeriods();
    return [...map].map(([key, value]) => `${key}: ${value}`);
  }
}

/** "7: {1796045030818000000,1,0,}" in dp_changes: a removed server, whose id is not used again for 2 seconds. */
const REMOVED = /^\d+: \{\d+,1,0,\}$/;

/** The entries of dp_changes without those of removed servers: servers that a command is changing, or was killed at. */
export function withoutRemoved(changes: readonly string[]): string[] {
  return changes.filter((line) => !REMOVED.test(line));
}

/**
 * What a state has in common with one that came about in another way, one line each. Left out are the numbers that the
 * kernel gives out anew each time, and the ids of servers: their interfaces and MACs are numbered in the order of the
 * ids. Of a map's entries there is only how many there are.
 */
export function shapeOf(state: State): string[] {
  const { maps: contents, mounts: _, ...rest } = state;
  const counts = Object.entries((contents ?? {}) as Record<string, string[]>).map(([name, lines]) => {
    const keys = lines.filter((line) => /^[^\s}].*: ?/.test(line));
    return `entries of ${name}: ${(name === "dp_changes" ? withoutRemoved(keys) : keys).length}`;
  });
  const lines = Object.entries(rest).flatMap(([what, value]) => {
    if (Array.isArray(value)) return value.map((each) => `${what}: ${stable(each)}`);
    return Object.entries(value as object).map(([name, each]) => `${what}: ${name}: ${stable(each)}`);
  });
  return [...numbered(lines), ...counts].sort();
}

const HOST_PEER = /(?<![a-z0-9])dp(\d+)(?!\d)/g;
const CONTAINER_MAC = /0a:58((?::[0-9a-f]{2}){4})/g;

/** Replaces the ids of servers, in the names of host peers and in the MACs of containers, by their order. */
function numbered(lines: readonly string[]): string[] {
  const idIn = (mac: string) => Number.parseInt(mac.replaceAll(":", ""), 16);
  const ids = lines.flatMap((line) => [
    ...Array.from(line.matchAll(HOST_PEER), ([, id]) => Number(id)),
    ...Array.from(line.matchAll(CONTAINER_MAC), ([, mac = ""]) => idIn(mac)),
  ]);
  const order = [...new Set(ids)].toSorted((one, other) => one - other);
  const number = (id: number) => order.indexOf(id) + 1;
  return lines.map((line) =>
    line
      .replace(HOST_PEER, (_, id: string) => `host peer ${number(Number(id))}`)
      .replace(CONTAINER_MAC, (_, mac: string) => `MAC of container ${number(idIn(mac))}`),
  );
}

/** What is not as it was to be: lines that lack, and lines that should not be there. */
export function difference(wanted: readonly string[], found: readonly string[]): string[] {
  return [
    ...wanted.filter((line) => !found.includes(line)).map((line) => `lacks ${line}`),
    ...found.filter((line) => !wanted.includes(line)).map((line) => `has ${line}`),
  ];
}

const GIVEN_OUT = new Set(["ifindex", "link_index", "link_netnsid"]);

function stable(value: unknown): string {
  return JSON.stringify(value, (key, each: unknown) => (GIVEN_OUT.has(key) ? undefined : each));
}
