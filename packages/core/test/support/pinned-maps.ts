/** All maps of this build's layout, pinned under a root of their own, without any program. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfObject } from "../../src/libbpf/index.ts";
import { type Maps, openMaps } from "../../src/objects/maps.ts";
import { PinRoot } from "../../src/objects/programs/pin-root.ts";

const SOURCES = join(import.meta.dirname, "../../../../bpf");

let compiled: Uint8Array | undefined;

/** bpf/layout.c has every map, and no program. */
function layoutObject(): Uint8Array {
  if (compiled !== undefined) return compiled;
  const folder = mkdtempSync(join(tmpdir(), "coretest-bpf-"));
  try {
    const object = join(folder, "layout.o");
    const flags = ["-O2", "-g", "-mcpu=v3", "-target", "bpf", "-idirafter", "/usr/include/x86_64-linux-gnu"];
    execFileSync("clang", [...flags, "-c", "layout.c", "-o", object], { cwd: SOURCES });
    return (compiled = new Uint8Array(readFileSync(object)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Makes and pins the maps.
 *
 * @param pinRoot a folder of a bpffs
 * @param maxEntries of maps that shall have another size than the layout says
 */
export function pinMaps(pinRoot: string, maxEntries: Readonly<Record<string, number>> = {}): void {
  using open = BpfObject.open(layoutObject(), { name: "layout" });
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
