/** The maps inside of maps of maps, when the outer map is replaced. */
import { type InnerMapLayout, mapLayouts } from "@dp/bpf";
import { Errno, SyscallError } from "@dp/sys";
import { u32 } from "../../libbpf/codec.ts";
import { createMap, type MapInfo } from "../../libbpf/map.ts";
import { openRawById, type RawMap } from "../../libbpf/raw-map.ts";
import { unlessGone } from "../programs/unless-gone.ts";
import type { Carrying } from "./carrying.ts";
import type { MapName } from "./layout-change.ts";

/** What every inner map of a map of maps is, in this build; undefined for a map that holds no maps. */
export function innerLayout(name: MapName): InnerMapLayout<unknown, unknown> | undefined {
  return (mapLayouts[name] as { inner?: InnerMapLayout<unknown, unknown> }).inner;
}

/** Whether the inner maps of a pinned map are as this build's. A map that holds no maps has none that differ. */
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
 * The kernel does not tell what an empty map of maps takes, and refuses what it does not: one is put in and removed.
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
 * Gives the new outer map the inner maps of the old one: the same, so that programs which use either read and write the
 * same. Where this build's differ, it gets empty ones.
 */
export function copyInnerMaps({ name, from, to, change }: Carrying, layout: InnerMapLayout<unknown, unknown>): void {
  for (const [key, inner] of innerMaps(from)) {
    using fresh = isSame(inner.info, layout) ? undefined : createMap({ ...layout, name });
    to.set(change.key.translate(key), [u32.write((fresh ?? inner).fd)]);
  }
}

/** The entries, with the inner maps opened: each is closed when the next one is asked for. */
function* innerMaps(outer: RawMap): Generator<[Uint8Array, RawMap]> {
  for (const [key, [id]] of outer) {
    if (id === undefined) continue;
    using inner = unlessGone(() => openRawById(u32.read(id)));
    if (inner !== undefined) yield [key, inner];
  }
}
