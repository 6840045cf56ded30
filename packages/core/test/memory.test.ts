/** The kernel memory of all maps, computed for a machine with 64 possible CPUs, and compared with this machine's. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { mapLayouts } from "@dp/bpf";
import { Bpffs } from "@dp/test-kit/bpffs.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { possibleCpus } from "../src/libbpf/index.ts";
import { Drops } from "../src/objects/stores/drops.ts";
import { Endpoints, entriesOf } from "../src/objects/stores/endpoints.ts";
import type { Forward } from "../src/objects/stores/forward.ts";
import { Players } from "../src/objects/stores/players.ts";
import { Records } from "../src/objects/stores/records.ts";
import { entryOf, ServerEntries } from "../src/objects/stores/server-entries.ts";
import { sizeFor } from "../src/objects/upgrade/map-sizes.ts";
import { LOBBY } from "./support/lobby.ts";
import { mapMemory, type MapMemory } from "./support/map-memory.ts";
import { openPinnedMaps, pinMaps } from "./support/pinned-maps.ts";

requireRoot();

type MapName = keyof typeof mapLayouts;

const NAMES = Object.keys(mapLayouts) as MapName[];
const MB = 1 << 20;
const CPUS = 64;
const FORWARDS = 4;

/** Entries of one server with {@link FORWARDS} forwards, each of one port, addresses of both families and a group. */
const ENTRIES: Readonly<Partial<Record<MapName, number>>> = {
  dp_changes: 1,
  dp_containers: 2,
  dp_counters: FORWARDS,
  dp_drop_counts: 1,
  dp_endpoints: FORWARDS,
  dp_groups: 1,
  dp_host_peers: 1,
  dp_names: 1,
  dp_namespaces: 1,
  dp_players: 1,
  dp_records: 1,
  dp_servers: 1,
};

/** A map as `dp load --max-servers SERVERS` makes it. */
function shapeOf(name: MapName, servers: number): MapMemory {
  const { type, maxEntries, key, value } = mapLayouts[name];
  const shape = { type, maxEntries: sizeFor(name, servers) ?? maxEntries, keySize: key.size, valueSize: value.size };
  if (name !== "dp_players") return shape;
  const { inner } = mapLayouts.dp_players;
  const sizes = {
    type: inner.type,
    maxEntries: inner.maxEntries,
    keySize: inner.key.size,
    valueSize: inner.value.size,
  };
  return { ...shape, inner: mapMemory(sizes, 0, CPUS) };
}

/** Bytes of all maps for so many servers, when there are as many: those of a size of their own, and the others. */
function memoryFor(servers: number, cpus: number): { fixed: number; growing: number } {
  let [fixed, growing] = [0, 0];
  for (const name of NAMES) {
    const bytes = mapMemory(shapeOf(name, servers), servers * (ENTRIES[name] ?? 0), cpus);
    if (sizeFor(name, servers) === undefined) fixed += bytes;
    else growing += bytes;
  }
  return { fixed, growing };
}

describe("on a machine with 64 possible CPUs", () => {
  test.each([1000, 4096, 10_000])("%d servers with 4 forwards take 64 MB for each 1,000", (servers) => {
    const { growing } = memoryFor(servers, CPUS);
    expect(growing / servers).toBeLessThan((64 * MB) / 1000);
  });

  test("what does not grow with the servers takes at most 32 MB", () => {
    expect(memoryFor(1000, CPUS).fixed).toBeLessThan(32 * MB);
    expect(memoryFor(60_000, CPUS).fixed).toBe(memoryFor(1000, CPUS).fixed);
  });

  test("a range of 1,000 ports takes at most 1 MB", () => {
    const shape = shapeOf("dp_endpoints", 1000);
    expect(mapMemory(shape, 1000, CPUS) - mapMemory(shape, 0, CPUS)).toBeLessThan(MB);
  });
});

// Before, the kernel told an estimate by the number of entries there is room for.
const [major = 0, minor = 0] = release().split(".").map(Number);

test.if(major > 6 || (major === 6 && minor >= 4))(
  "what is computed is what this kernel accounts, or a little more",
  () => {
    const SERVERS = 100;
    using bpffs = new Bpffs();
    pinMaps(bpffs.path, Object.fromEntries(NAMES.map((name) => [name, shapeOf(name, SERVERS).maxEntries])));
    using maps = openPinnedMaps(bpffs.path);
    const endpoints = new Endpoints(maps.endpoints);
    const [records, servers] = [new Records(maps, endpoints), new ServerEntries(maps.servers)];
    const [drops, players] = [new Drops(maps.dropCounts), new Players(maps.players)];
    const [forward] = LOBBY.forwards as [Forward];
    for (let id = 1; id <= SERVERS; id++) {
      const forwards = Array.from({ length: FORWARDS }, (_, at): Forward => {
        return { ...forward, port: FORWARDS * id + at, containerPort: at + 1 };
      });
      const record = { ...LOBBY, id, name: `${id}`, netns: { ...LOBBY.netns, cookie: BigInt(id) }, forwards };
      records.set(record);
      servers.set(id, entryOf(record, 0));
      endpoints.setMany(entriesOf(record));
      drops.add(id);
    }
    const compared: [name: MapName, fd: number, entries: number][] = [
      ["dp_records", maps.records.fd, SERVERS],
      ["dp_names", maps.names.fd, SERVERS],
      ["dp_servers", maps.servers.fd, SERVERS],
      ["dp_endpoints", maps.endpoints.fd, FORWARDS * SERVERS],
      ["dp_drop_counts", maps.dropCounts.fd, SERVERS],
      ["dp_traffic", maps.traffic.fd, 0],
      ["dp_flow_counts", maps.flowCounts.fd, 0],
      ["dp_origins", maps.origins.fd, 0],
      ["dp_host_peers", maps.hostPeers.fd, 0],
    ];
    for (const [name, fd, entries] of compared) {
      const computed = mapMemory(shapeOf(name, SERVERS), entries, possibleCpus());
      const accounted = accountedBy(fd);
      expect([name, computed >= accounted, computed <= 1.8 * accounted + 4096]).toEqual([name, true, true]);
    }
    players.add(1);
    using table = maps.players.get(1);
    const { inner = 0 } = shapeOf("dp_players", SERVERS);
    expect(inner).toBeGreaterThanOrEqual(accountedBy(table?.fd ?? -1));
    expect(inner).toBe(32 * 1024);
  },
);

/** Bytes of a map, as the kernel tells them. */
function accountedBy(fd: number): number {
  return Number(/^memlock:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]);
}
