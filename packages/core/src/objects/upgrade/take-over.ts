/** Which of the maps that are pinned a load keeps, and which get one of another layout or size in their place. */
import { mapLayouts } from "@dp/bpf";
import type { OpenMap } from "../../libbpf/open-parts.ts";
import { openPin } from "../../libbpf/pin.ts";
import { openRaw, type RawMap } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import { type Change, changeFrom, isSame, knownShapes, type MapName, shapesOf } from "./layout-change.ts";

/** Maps with one entry per server. The drops have one more: those of no server, under key 0. */
const PER_SERVER: Readonly<Record<string, number>> = {
  dp_dnat_targets: 0,
  dp_snat_targets: 0,
  dp_net_records: 0,
  dp_endpoints: 0,
  dp_names: 0,
  dp_namespaces: 0,
  dp_changes: 0,
  dp_groups: 0,
  dp_drop_counts: 1,
  dp_veth_pairs: 0,
  dp_host_peers: 0,
};

export interface TakeOverOptions {
  root: PinRoot;
  /** Room for so many; as much as before when left out. */
  maxServers: number | undefined;
  /** Whether fields this build does not know are an older build's, and may be left out. */
  mayDrop: boolean;
}

/** A map that is replaced, and how what is in it gets into the new one. */
export interface Replaced {
  name: MapName;
  old: RawMap;
  change: Change;
}

/**
 * Has an object that is about to be loaded use the pinned map, or gives the map it will make its size. Maps of no
 * layout (a test's own) are left to the object.
 *
 * @returns the map that is used; or that is replaced; or undefined: the object makes the first one
 */
export function takeOver(map: OpenMap, options: TakeOverOptions): RawMap | Replaced | undefined {
  const { root, maxServers, mayDrop } = options;
  const path = root.map(map.name);
  const fd = openPin(path, "map");
  const extra = PER_SERVER[map.name];
  if (fd === undefined) {
    if (maxServers !== undefined && extra !== undefined) map.setMaxEntries(maxServers + extra);
    return undefined;
  }
  const old = openRaw(fd, { name: map.name });
  try {
    if (!(map.name in mapLayouts)) return reuse(map, old);
    const name = map.name as MapName;
    const change = changeFrom(old, name, path, mayDrop);
    const room = old.info.maxEntries;
    const wanted = extra === undefined ? map.maxEntries : maxServers === undefined ? room : maxServers + extra;
    if (wanted === room && isSame(shapesOf(old, name), knownShapes(name))) return reuse(map, old);
    map.setMaxEntries(wanted);
    return { name, old, change };
  } catch (error) {
    old.close();
    throw error;
  }
}

function reuse(map: OpenMap, old: RawMap): RawMap {
  map.reuse(old);
  return old;
}
