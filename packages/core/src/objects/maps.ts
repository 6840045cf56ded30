import {
  type DpConfig,
  type DpDnatTarget,
  type DpDrops,
  type DpFlow,
  type DpFlowKey,
  type DpHostAddr,
  type DpNetData,
  type DpNetKey,
  type DpOrigin,
  type DpOriginKey,
  type DpPublicKey,
  type DpSnatTarget,
  type DpVethPair,
  mapLayouts,
  type MapLayout,
} from "@dp/bpf";
import { DatapathError, type Fd } from "@dp/sys";
import { mapTypeName } from "../libbpf/map-type.ts";
import { BpfMap, mapInfo } from "../libbpf/map.ts";
import { perCpu, type PerCpuMap } from "../libbpf/per-cpu.ts";
import { openPin } from "../libbpf/pin.ts";
import { LayoutError } from "./layout-error.ts";
import type { PinRoot } from "./pin-root.ts";

/** The maps of bpf/maps.h and bpf/flow_maps.h that are read or written here. */
export interface Maps {
  dnatTargets: PerCpuMap<DpPublicKey, DpDnatTarget>;
  snatTargets: PerCpuMap<number, DpSnatTarget>;
  hostPeers: BpfMap<number, number>;
  uplinks: BpfMap<number, number>;
  netRecords: BpfMap<DpNetKey, DpNetData>;
  hostAddrs: BpfMap<string, DpHostAddr>;
  configs: BpfMap<number, DpConfig>;
  dropCounts: PerCpuMap<number, DpDrops>;
  vethPairs: BpfMap<string, DpVethPair>;
  flows: BpfMap<DpFlowKey, DpFlow>;
  origins: BpfMap<DpOriginKey, DpOrigin>;
}

const GROW = "take everything out (dp unload), then load with a larger maxServers";
const REBUILD = "another build pinned it: unload with that build (dp unload --force), then load this one";

/** What is compared of a map, whatever its keys and values are. */
type MapShape = Pick<MapLayout<unknown, unknown>, "name" | "type"> & {
  key: { size: number };
  value: { size: number };
};

/** The layout a map is known by; undefined for one this build does not read or write. */
export function layoutOf(name: string): MapShape | undefined {
  return (mapLayouts as Record<string, MapShape>)[name];
}

/** Throws {@link LayoutError} unless the map behind `fd` is of the type and sizes this build was made for. */
export function checkPinnedMap(fd: number, layout: MapShape, path: string): void {
  const info = mapInfo(fd);
  const compared: [field: string, expected: string, actual: string][] = [
    ["(type)", mapTypeName(layout.type), mapTypeName(info.type)],
    ["(key)", `${layout.key.size} bytes`, `${info.keySize} bytes`],
    ["(value)", `${layout.value.size} bytes`, `${info.valueSize} bytes`],
  ];
  for (const [field, expected, actual] of compared) {
    if (expected === actual) continue;
    throw new LayoutError(
      `open the pinned map ${path}`,
      { struct: `map ${layout.name}`, field, expected, actual },
      REBUILD,
    );
  }
}

/** Opens the pinned maps of a root. Throws `DatapathError` NOT_LOADED when one is missing. */
export function openMaps(root: PinRoot): Maps {
  const opened: Disposable[] = [];
  const fdOf = <K, V>(layout: MapLayout<K, V>) => {
    const path = root.map(layout.name);
    const fd = requireMap(path, root);
    opened.push(fd);
    checkPinnedMap(fd.number, layout, path);
    return fd;
  };
  const open = <K, V>(layout: MapLayout<K, V>) =>
    BpfMap.fromFd(fdOf(layout), layout.key, layout.value, { name: layout.name, growHint: GROW });
  const openPerCpu = <K, V>(layout: MapLayout<K, V>) =>
    BpfMap.fromFd(fdOf(layout), layout.key, perCpu(layout.value), { name: layout.name, growHint: GROW });
  try {
    return {
      dnatTargets: openPerCpu(mapLayouts.dp_dnat_targets),
      snatTargets: openPerCpu(mapLayouts.dp_snat_targets),
      hostPeers: open(mapLayouts.dp_host_peers),
      uplinks: open(mapLayouts.dp_uplinks),
      netRecords: open(mapLayouts.dp_net_records),
      hostAddrs: open(mapLayouts.dp_host_addrs),
      configs: open(mapLayouts.dp_configs),
      dropCounts: openPerCpu(mapLayouts.dp_drop_counts),
      vethPairs: open(mapLayouts.dp_veth_pairs),
      flows: open(mapLayouts.dp_flows),
      origins: open(mapLayouts.dp_origins),
    };
  } catch (error) {
    for (const each of opened) each[Symbol.dispose]();
    throw error;
  }
}

function requireMap(path: string, root: PinRoot): Fd {
  const fd = openPin(path, "map");
  if (fd !== undefined) return fd;
  throw new DatapathError("NOT_LOADED", `open ${root.path}`, `${path} is missing`, { hint: "run `dp load`" });
}
