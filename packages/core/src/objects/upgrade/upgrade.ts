/** The end of an upgrade that gave maps another layout. */
import { requirePin, unpin } from "../../libbpf/pin.ts";
import { openRaw, type RawMap } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import { copyNewEntries, settleEntries } from "./carry.ts";
import type { Carrying } from "./carrying.ts";
import { holdFlows } from "./hold-flows.ts";
import { changeFrom, type MapName } from "./layout-change.ts";

/**
 * Lets go of the maps that others took the place of, once every program that used them has been replaced: what they got
 * meanwhile is carried over first. Returns their names. Killed halfway, it can be done again.
 */
export function finishUpgrade(root: PinRoot): string[] {
  const replaced = root.replaced();
  if (replaced.length === 0) return [];
  // It may have taken long to get here.
  if (replaced.some(({ name }) => name === "dp_origins" || name === "dp_flows")) holdFlows(root, true);
  forEachReplaced(root, settleEntries);
  holdFlows(root, false);
  for (const { path } of replaced) unpin(path);
  root.removeReplacedFolder();
  return [...new Set(replaced.map(({ name }) => name))];
}

/** What an upgrade that was killed had copied is brought up to date, as far as programs do not do it themselves. */
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
