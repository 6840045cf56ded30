/** Who loaded what is pinned: the one entry of dp_meta, which every build can read. */
import { DpLayout, type DpMeta, mapLayouts } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { BpfMap } from "../../libbpf/map.ts";
import { openPin } from "../../libbpf/pin.ts";
import { checkPinnedMap } from "../maps.ts";
import type { PinRoot } from "../programs/pin-root.ts";

export type Stamp = DpMeta;

/** The version of the map layouts this build was made for (DP_LAYOUT_VERSION in bpf/maps.h). */
const LAYOUT_VERSION: number = DpLayout.version;

export function openStamp(root: PinRoot): BpfMap<number, Stamp> | undefined {
  const layout = mapLayouts.dp_meta;
  const path = root.map(layout.name);
  const fd = openPin(path, "map");
  if (fd === undefined) return undefined;
  try {
    checkPinnedMap(fd.number, layout, path);
  } catch (error) {
    fd.close();
    throw error;
  }
  return BpfMap.fromFd(fd, layout.key, layout.value, { name: layout.name });
}

/** undefined where nothing is loaded, or the pin was removed. */
export function readStamp(root: PinRoot): Stamp | undefined {
  using map = openStamp(root);
  return map?.get(0);
}

export function newStamp(build: string): Stamp {
  return { layoutVersion: LAYOUT_VERSION, loadedAt: BigInt(Date.now()) * 1_000_000n, build: build.slice(0, 31) };
}

/** Throws `DatapathError` CONFLICT when what is pinned was loaded by a build that knows more than this one. */
export function requireNotNewer(root: PinRoot, stamp: Stamp | undefined): void {
  if (stamp === undefined || stamp.layoutVersion <= LAYOUT_VERSION) return;
  const who = stamp.build === "" ? "a newer build" : `a newer build, ${stamp.build}`;
  const reason = `${who}, loaded it: its maps are of layout ${stamp.layoutVersion}, this build knows ${LAYOUT_VERSION}`;
  throw new DatapathError("CONFLICT", `open ${root.path}`, reason, {
    hint: "use that build, or one as new; to go back to this one, take everything down with that one first: dp unload",
  });
}

/** Whether a build loaded it that knew less than this one. Without a stamp nobody can tell. */
export function isOlder(stamp: Stamp | undefined): stamp is Stamp {
  return stamp !== undefined && stamp.layoutVersion < LAYOUT_VERSION;
}

/** Why what is pinned must not be changed before it was loaded anew; undefined when it may be. */
export function needsLoad(root: PinRoot): string | undefined {
  const stamp = readStamp(root);
  if (root.replaced().length > 0) return "an upgrade was not finished";
  if (!isOlder(stamp)) return undefined;
  const who = stamp.build === "" ? "an older build" : `an older build, ${stamp.build}`;
  return `${who}, loaded it: its maps are of layout ${stamp.layoutVersion}, this build has ${LAYOUT_VERSION}`;
}
