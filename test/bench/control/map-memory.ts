import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mapLayouts } from "@dp/bpf";
import { BpfMap, bytes, MapType, perCpu } from "@dp/core/libbpf";

const PER_CPU: readonly number[] = [MapType.perCpuHash, MapType.perCpuArray, MapType.lruPerCpuHash];

/** What the kernel accounts for the pinned maps of a datapath, in bytes. */
export function mapMemory(pinRoot: string): number {
  let total = 0;
  for (const { name, type, key, value } of Object.values(mapLayouts)) {
    const values = bytes(value.size);
    const path = join(pinRoot, "maps", name);
    using map = PER_CPU.includes(type)
      ? BpfMap.fromPin(path, bytes(key.size), perCpu(values))
      : BpfMap.fromPin(path, bytes(key.size), values);
    total += Number(/^memlock:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${map.fd}`, "latin1"))?.[1]);
  }
  return total;
}
