import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mapLayouts } from "@dp/bpf";
import { BpfMap, bytes, MapOfMaps, MapType, perCpu } from "@dp/core/libbpf";

const PER_CPU: readonly number[] = [MapType.perCpuHash, MapType.perCpuArray, MapType.lruPerCpuHash];

/** Kernel memory of the pinned maps of a pin root, in bytes, as the kernel accounts it. */
export function mapMemory(pinRoot: string): number {
  const total = Object.values(mapLayouts).reduce((sum, layout) => sum + memoryOf(pinRoot, layout), 0);
  return total + playerTables(pinRoot);
}

function memoryOf(pinRoot: string, { name, type, key, value }: (typeof mapLayouts)[keyof typeof mapLayouts]): number {
  const values = bytes(value.size);
  const path = join(pinRoot, "maps", name);
  using map = PER_CPU.includes(type)
    ? BpfMap.fromPin(path, bytes(key.size), perCpu(values))
    : BpfMap.fromPin(path, bytes(key.size), values);
  return accountedBy(map.fd);
}

/** Of the inner maps of dp_players, which all have the same size. The kernel accounts them apart. */
function playerTables(pinRoot: string): number {
  using players = MapOfMaps.fromPin(join(pinRoot, "maps", mapLayouts.dp_players.name), mapLayouts.dp_players);
  const ids = [...players.ids()];
  const [first] = ids;
  if (first === undefined) return 0;
  using table = players.get(first[0]);
  return table === undefined ? 0 : ids.length * accountedBy(table.fd);
}

function accountedBy(fd: number): number {
  return Number(/^memlock:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1]);
}
