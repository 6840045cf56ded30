/** The end of an upgrade that replaced maps. */
import { requirePin, unpin } from "../../libbpf/pin.ts";
import { openRaw, type RawMap } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import { copyNewEntries, settleEntries } from "./carry.ts";
import type { Carrying } from "./carrying.ts";
import { holdFlows } from "./hold-flows.ts";
import { changeFrom, type MapName } from "./layout-change.ts";

/**
 * Carries over what programs wrote into the replaced maps since the copy, and unpins these maps. To be called after all
 * programs that used them are replaced. Returns their names. After a kill, it can be called again.
 */
export function finishUpgrade(root: PinRoot): string[] {
  const replaced = root.replaced();
  if (replaced.length === 0) return [];
  // The load may have taken so long that the first hold has ended.
  if (replaced.some(({ name }) => name === "dp_origins" || name === "dp_flows")) holdFlows(root, true);
  forEachReplaced(root, settleEntries);
  holdFlows(root, false);
  for (const { path } of replaced) unpin(path);
  root.removeReplacedFolder();
  return [...new Set(replaced.map(({ name }) => name))];
}

/** For an upgrade that was killed: copies the entries that programs have added to the old maps since the copy. */
export function resumeUpgrade(root: PinRoot): void {
  forEachReplaced(root, copyNewEntries);
}

function forEachReplaced(root: PinRoot, carry: (carrying: Carrying) => void): void {
  for (const { name, path } of root.replaced()) {
    using from = pinned(path);
    using to = pinned(root.map(name));
    if (from.info.id === to.info.id) continue;
    carry({ name: name as MapName, from, to, change: changeFrom(from, name as MapName, path, true) });
  }
}

function pinned(path: string): RawMap {
  return openRaw(requirePin(path, "map"));
}
