/** Decides which pinned maps a load keeps, and which it replaces with a map of another layout or size. */
import { mapLayouts } from "@dp/bpf";
import type { OpenMap } from "../../libbpf/open-parts.ts";
import { openPin } from "../../libbpf/pin.ts";
import { openRaw, type RawMap } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import { carryRule } from "./carry-rule.ts";
import { hasSameInner } from "./inner-maps.ts";
import { type Change, changeFrom, isSame, knownShapes, type MapName, shapesOf, UNLOAD_FIRST } from "./layout-change.ts";
import { LayoutError } from "./layout-error.ts";
import { sizeFor } from "./map-sizes.ts";

export interface TakeOverOptions {
  root: PinRoot;
  /** Room for so many servers; undefined for the first load with the default. */
  servers: number | undefined;
  /** Whether fields this build does not know are an older build's, and may be left out. */
  mayDrop: boolean;
}

/** A map that is replaced, and how what is in it gets into the new one. */
export interface Replaced {
  name: MapName;
  old: RawMap;
  change: Change;
  /** Of a map of maps: whether the new one shares its inner maps. */
  sameInner: boolean;
}

/**
 * Makes an object that is about to be loaded use the pinned map, or sets the size of the map that it will create. A map
 * without a layout, of a test, is used as it is.
 *
 * @returns the pinned map if it is used; the map to replace; undefined if none is pinned
 */
export function takeOver(map: OpenMap, { root, servers, mayDrop }: TakeOverOptions): RawMap | Replaced | undefined {
  const path = root.map(map.name);
  const fd = openPin(path, "map");
  const wanted = (servers === undefined ? undefined : sizeFor(map.name, servers)) ?? map.maxEntries;
  if (fd === undefined) {
    map.setMaxEntries(wanted);
    return undefined;
  }
  const old = openRaw(fd, { name: map.name });
  try {
    if (!(map.name in mapLayouts)) return reuse(map, old);
    const name = map.name as MapName;
    // One that is pinned aside too was left by an upgrade that was killed after it had set its stamp.
    const isLeft = root.replaced().some(({ id }) => id === old.info.id);
    const change = changeFrom(old, name, path, mayDrop || isLeft);
    const sameInner = hasSameInner(old, name);
    if (!sameInner && carryRule(name).innerAnew !== true) throw innerMismatch(path, name);
    if (wanted === old.info.maxEntries && sameInner && isSame(shapesOf(old, name), knownShapes(name))) {
      return reuse(map, old);
    }
    map.setMaxEntries(wanted);
    return { name, old, change, sameInner };
  } catch (error) {
    old.close();
    throw error;
  }
}

function innerMismatch(path: string, name: MapName): LayoutError {
  const mismatch = { struct: `map ${name}.inner`, field: "(definition)", expected: "this build's", actual: "another" };
  return new LayoutError(`open the pinned map ${path}`, mismatch, UNLOAD_FIRST);
}

function reuse(map: OpenMap, old: RawMap): RawMap {
  map.reuse(old);
  return old;
}
