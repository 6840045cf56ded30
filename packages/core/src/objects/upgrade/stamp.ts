/** Which build loaded what is pinned: the one entry of dp_meta, which every build can read. */
import { DpLayout, type DpMeta, mapLayouts } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import { BpfMap } from "../../libbpf/map.ts";
import { openPin } from "../../libbpf/pin.ts";
import { checkPinnedMap } from "../maps.ts";
import type { PinRoot } from "../programs/pin-root.ts";

export type Stamp = DpMeta;

/** The versions of the layout that a build can open. */
export interface KnownLayouts {
  /** The one its programs have. Older ones are migrated to it. */
  readonly version: number;
  /** The oldest that it can migrate. */
  readonly oldest: number;
}

/** This build's: DP_LAYOUT_VERSION of bpf/maps/layout.h. */
export const KNOWN_LAYOUTS: KnownLayouts = { version: DpLayout.version, oldest: 2 };

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

export function newStamp(build: string, { version }: KnownLayouts): Stamp {
  return { layoutVersion: version, loadedAt: BigInt(Date.now()) * 1_000_000n, build: build.slice(0, 31) };
}

/** Throws `DatapathError` CONFLICT when what is pinned has a layout that this build cannot open. */
export function requireKnownLayout(root: PinRoot, stamp: Stamp | undefined, { version, oldest }: KnownLayouts): void {
  if (stamp === undefined || (stamp.layoutVersion >= oldest && stamp.layoutVersion <= version)) return;
  const { layoutVersion: layout } = stamp;
  const [age, hint] =
    layout > version
      ? [
          "a newer build",
          "use that build or a newer one; to go back to this build, first unload with that one: dp unload",
        ]
      : ["an older build", "unload it with that build (its dp unload), then load this one: dp load"];
  const reason = `loaded by ${buildOf(age, stamp)} with layout ${layout}: this build opens ${range(oldest, version)}`;
  throw new DatapathError("CONFLICT", `open ${root.path}`, reason, { hint });
}

/** Whether a build with an older layout loaded it. Without a stamp that is unknown. */
export function isOlder(stamp: Stamp | undefined, { version }: KnownLayouts): stamp is Stamp {
  return stamp !== undefined && stamp.layoutVersion < version;
}

/** Why what is pinned must be loaded anew before it is changed; undefined when it need not be. */
export function needsLoad(root: PinRoot, known = KNOWN_LAYOUTS): string | undefined {
  const stamp = readStamp(root);
  if (root.replaced().length > 0) return "an upgrade was not finished";
  if (!isOlder(stamp, known)) return undefined;
  const loaded = `loaded by ${buildOf("an older build", stamp)} with layout ${stamp.layoutVersion}`;
  return `${loaded}: this build has layout ${known.version}`;
}

function buildOf(age: string, { build }: Stamp): string {
  return build === "" ? age : `${age} (${build})`;
}

function range(oldest: number, version: number): string {
  return oldest === version ? `layout ${version}` : `layouts ${oldest} to ${version}`;
}
