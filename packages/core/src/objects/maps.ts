import {
  type DpChange,
  type DpConfig,
  type DpContainer,
  type DpDrops,
  type DpEndpoint,
  type DpEndpointKey,
  type DpFlow,
  type DpFlowCount,
  type DpFlowKey,
  type DpForwardTraffic,
  type DpFree,
  type DpHostAddr,
  type DpName,
  type DpNamespace,
  type DpOrigin,
  type DpOriginKey,
  type DpRecord,
  type DpReservedPorts,
  type DpServer,
  type DpSettings,
  mapLayouts,
  type MapLayout,
} from "@dp/bpf";
import { DatapathError, type Fd } from "@dp/sys";
import type { Codec } from "../libbpf/codec.ts";
import { MapOfMaps } from "../libbpf/map-of-maps.ts";
import { MapType, mapTypeName } from "../libbpf/map-type.ts";
import { BpfMap, mapInfo, type PerCpuMap } from "../libbpf/map.ts";
import { perCpu } from "../libbpf/per-cpu.ts";
import { openPin } from "../libbpf/pin.ts";
import { makeMap, openRaw } from "../libbpf/raw-map.ts";
import type { PinRoot } from "./programs/pin-root.ts";
import { changeBack, changeFrom, type MapName, translated } from "./upgrade/layout-change.ts";
import { LayoutError } from "./upgrade/layout-error.ts";
import { MORE_ROOM } from "./upgrade/map-sizes.ts";

/** The maps of bpf/maps/ that are read or written here. */
export interface Maps {
  // What the programs read or write.
  configs: BpfMap<number, DpConfig>;
  containers: BpfMap<string, DpContainer>;
  dropCounts: PerCpuMap<number, DpDrops>;
  endpoints: BpfMap<DpEndpointKey, DpEndpoint>;
  flowCounts: BpfMap<number, DpFlowCount>;
  flows: BpfMap<DpFlowKey, DpFlow>;
  hostAddrs: BpfMap<string, DpHostAddr>;
  hostPeers: BpfMap<number, number>;
  origins: BpfMap<DpOriginKey, DpOrigin>;
  players: MapOfMaps<number, number, readonly number[]>;
  servers: BpfMap<number, DpServer>;
  traffic: PerCpuMap<number, DpForwardTraffic>;
  uplinks: BpfMap<number, number>;
  // What only `dp` reads and writes.
  changes: BpfMap<number, DpChange>;
  counters: BpfMap<number, number>;
  free: BpfMap<number, DpFree>;
  groups: BpfMap<number, DpName>;
  names: BpfMap<DpName, number>;
  namespaces: BpfMap<DpNamespace, number>;
  records: BpfMap<number, DpRecord>;
  reservedPorts: BpfMap<number, DpReservedPorts>;
  settings: BpfMap<number, DpSettings>;
}

const REBUILD = "another build pinned it: load this one (dp load)";

/** What is compared of a map: its name, its type and its sizes. */
type MapShape = Pick<MapLayout<unknown, unknown>, "name" | "type"> & {
  key: { size: number };
  value: { size: number };
};

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

/**
 * How pinned maps are opened. `known`: they must have this build's layout. `any`: they may have an older layout; their
 * entries are translated when they are read and written. `partly`: as `any`, and maps may be missing: an empty map,
 * which is not pinned, takes the place of a missing one.
 */
export type Opening = "known" | "any" | "partly";

/**
 * Opens the pinned maps of a root. Throws `DatapathError` NOT_LOADED when one is missing and `opening` is not `partly`.
 */
export function openMaps(root: PinRoot, opening: Opening): Maps {
  const opened: Disposable[] = [];
  const keep = <T extends Disposable>(map: T): T => {
    opened.push(map);
    return map;
  };
  const open = <K, V>(layout: MapLayout<K, V>) => keep(openOne<K, V, V>(root, layout, (codec) => codec, opening));
  const openPerCpu = <K, V>(layout: MapLayout<K, V>) => keep(openOne<K, V, V[]>(root, layout, perCpu, opening));
  try {
    return {
      configs: open(mapLayouts.dp_configs),
      containers: open(mapLayouts.dp_containers),
      dropCounts: openPerCpu(mapLayouts.dp_drop_counts),
      endpoints: open(mapLayouts.dp_endpoints),
      flowCounts: open(mapLayouts.dp_flow_counts),
      flows: open(mapLayouts.dp_flows),
      hostAddrs: open(mapLayouts.dp_host_addrs),
      hostPeers: open(mapLayouts.dp_host_peers),
      origins: open(mapLayouts.dp_origins),
      players: keep(openPlayers(root, opening)),
      servers: open(mapLayouts.dp_servers),
      traffic: openPerCpu(mapLayouts.dp_traffic),
      uplinks: open(mapLayouts.dp_uplinks),
      changes: open(mapLayouts.dp_changes),
      counters: open(mapLayouts.dp_counters),
      free: open(mapLayouts.dp_free),
      groups: open(mapLayouts.dp_groups),
      names: open(mapLayouts.dp_names),
      namespaces: open(mapLayouts.dp_namespaces),
      records: open(mapLayouts.dp_records),
      reservedPorts: open(mapLayouts.dp_reserved),
      settings: open(mapLayouts.dp_settings),
    };
  } catch (error) {
    for (const each of opened) each[Symbol.dispose]();
    throw error;
  }
}

/** The player tables are the same in every layout. */
function openPlayers(root: PinRoot, opening: Opening): MapOfMaps<number, number, readonly number[]> {
  const layout = mapLayouts.dp_players;
  const path = root.map(layout.name);
  const fd = openPin(path, "map");
  if (fd === undefined) {
    if (opening !== "partly") throw missingMap(root, layout.name);
    // Nothing is added to it, so a hash map is enough.
    const empty = makeMap(layout.name, MapType.hash, layout.key.size, layout.value.size);
    return new MapOfMaps(empty, layout, { type: MapType.hash });
  }
  try {
    checkPinnedMap(fd.number, layout, path);
    return new MapOfMaps(fd, layout, { growHint: MORE_ROOM });
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** One pinned map of any layout; undefined when it is missing. Not for per-CPU maps. */
export function openAnyLayout<K, V>(root: PinRoot, layout: MapLayout<K, V>): BpfMap<K, V> | undefined {
  const path = root.map(layout.name);
  const fd = openPin(path, "map");
  return fd === undefined ? undefined : openTranslated<K, V, V>(fd, path, layout, (codec) => codec);
}

/** @param wrap makes the codec of the map's values from the codec of one value */
function openOne<K, E, V>(
  root: PinRoot,
  layout: MapLayout<K, E>,
  wrap: (each: Codec<E>) => Codec<V>,
  opening: Opening,
): BpfMap<K, V> {
  const { name, type, key, value } = layout;
  const path = root.map(name);
  const options = { name, growHint: MORE_ROOM };
  const fd = openPin(path, "map");
  if (fd === undefined) {
    if (opening !== "partly") throw missingMap(root, name);
    return BpfMap.fromFd(makeMap(name, type, key.size, value.size), key, wrap(value), options);
  }
  if (opening !== "known") return openTranslated(fd, path, layout, wrap);
  try {
    checkPinnedMap(fd.number, layout, path);
  } catch (error) {
    fd.close();
    throw error;
  }
  return BpfMap.fromFd(fd, key, wrap(value), options);
}

/** Takes ownership of `fd`. */
function openTranslated<K, E, V>(
  fd: Fd,
  path: string,
  { name, key, value }: MapLayout<K, E>,
  wrap: (each: Codec<E>) => Codec<V>,
): BpfMap<K, V> {
  try {
    using raw = openRaw(fd, { borrowed: true });
    const change = changeFrom(raw, name as MapName, path, true);
    const back = changeBack(raw, name as MapName);
    const keys = translated(key, change.key, back.key);
    return new BpfMap(fd, keys, wrap(translated(value, change.value, back.value)), { name, growHint: MORE_ROOM });
  } catch (error) {
    fd.close();
    throw error;
  }
}

function missingMap(root: PinRoot, name: string): DatapathError {
  return new DatapathError("NOT_LOADED", `open ${root.path}`, `${root.map(name)} is missing`, {
    hint: "run `dp load`",
  });
}
