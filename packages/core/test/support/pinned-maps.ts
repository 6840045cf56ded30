/** All maps of this build's layout, pinned under a root of their own, without any program. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { compileBpf } from "@dp/test-kit/compile-bpf.ts";
import { BpfObject } from "../../src/libbpf/index.ts";
import { type Maps, openMaps } from "../../src/objects/maps.ts";
import { PinRoot } from "../../src/objects/programs/pin-root.ts";

/** It has every map, and no program. */
const SOURCE = join(import.meta.dirname, "../../../../bpf/layout.c");

/**
 * Makes and pins the maps.
 *
 * @param pinRoot a folder of a bpffs
 * @param maxEntries of maps that shall have another size than the layout says
 */
export function pinMaps(pinRoot: string, maxEntries: Readonly<Record<string, number>> = {}): void {
  using open = BpfObject.open(compileBpf(SOURCE), { name: "layout" });
  for (const [name, entries] of Object.entries(maxEntries)) open.map(name).setMaxEntries(entries);
  const folder = join(pinRoot, "maps");
  mkdirSync(folder);
  for (const map of open.maps()) map.setPinPath(join(folder, map.name));
  open.load().close();
}

/** Opens maps that {@link pinMaps} pinned. */
export function openPinnedMaps(pinRoot: string): Maps & Disposable {
  const maps = openMaps(new PinRoot(pinRoot), "known");
  return Object.assign(maps, {
    [Symbol.dispose]: () => {
      for (const map of Object.values(maps)) if ("close" in map) map.close();
    },
  });
}
