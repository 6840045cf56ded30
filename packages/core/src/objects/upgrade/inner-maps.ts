/** The maps inside of maps of maps, when the outer map is replaced. */
import { type InnerMapLayout, mapLayouts } from "@dp/bpf";
import { Errno, SyscallError } from "@dp/sys";
import { u32 } from "../../libbpf/codec.ts";
import { createMap, type MapInfo } from "../../libbpf/map.ts";
import { openRawById, type RawMap } from "../../libbpf/raw-map.ts";
import { unlessGone } from "../programs/unless-gone.ts";
import type { Carrying } from "./carrying.ts";
import type { MapName } from "./layout-change.ts";

/** The layout of the inner maps of a map of maps in this build; undefined for any other map. */
export function innerLayout(name: MapName): InnerMapLayout<unknown, unknown> | undefined {
  return (mapLayouts[name] as { inner?: InnerMapLayout<unknown, unknown> }).inner;
}

/** Whether the inner maps of a pinned map are as in this build. True for a map that is not a map of maps. */
export function hasSameInner(outer: RawMap, name: MapName): boolean {
  const layout = innerLayout(name);
  if (layout === undefined) return true;
  for (const [, inner] of innerMaps(outer)) return isSame(inner.info, layout);
  return takesInner(outer, name, layout);
}

function isSame(info: MapInfo, { type, key, value, maxEntries, flags }: InnerMapLayout<unknown, unknown>): boolean {
  const stored = [info.type, info.keySize, info.valueSize, info.maxEntries, info.flags];
  const known = [type, key.size, value.size, maxEntries, flags];
  return stored.every((each, index) => each === known[index]);
}

/**
 * Whether an empty map of maps accepts the inner maps of this build. The kernel does not tell, so one is set and
 * deleted.
 */
function takesInner(outer: RawMap, name: MapName, layout: InnerMapLayout<unknown, unknown>): boolean {
  using inner = createMap({ ...layout, name });
  const key = new Uint8Array(outer.info.keySize);
  try {
    outer.set(key, [u32.write(inner.fd)]);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.EINVAL) return false;
    throw error;
  }
  outer.delete(key);
  return true;
}

/**
 * Puts the inner maps of the old outer map into the new one, so that old and new programs use the same inner maps. If
 * the inner maps of this build differ, the new outer map gets empty ones.
 */
export function copyInnerMaps({ name, from, to, change }: Carrying, layout: InnerMapLayout<unknown, unknown>): void {
  for (const [key, inner] of innerMaps(from)) {
    using fresh = isSame(inner.info, layout) ? undefined : createMap({ ...layout, name });
    to.set(change.key.translate(key), [u32.write((fresh ?? inner).fd)]);
  }
}

/** The entries with their inner maps. Each inner map is closed when the next entry is read. */
function* innerMaps(outer: RawMap): Generator<[Uint8Array, RawMap]> {
  for (const [key, [id]] of outer) {
    if (id === undefined) continue;
    using inner = unlessGone(() => openRawById(u32.read(id)));
    if (inner !== undefined) yield [key, inner];
  }
}
