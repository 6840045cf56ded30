/** Another build of the programs: those of bpf/ with changes, loaded and pinned as that build would. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DpLayout, dpMeta, type ObjectName, u32 } from "@dp/bpf";
import { BpfObject, Program } from "../../src/libbpf/index.ts";
import { rawCodecs, type RawMap } from "../../src/libbpf/raw-map.ts";
import { functionName, LOADED_OBJECTS, PINNED_PROGRAMS } from "../../src/objects/programs/program-table.ts";
import type { KnownLayouts } from "../../src/objects/upgrade/stamp.ts";

/** File of bpf/ → what is replaced in it, each found exactly once. */
export type Edits = Readonly<Record<string, readonly (readonly [from: string, to: string])[]>>;

/**
 * This build as if its layout were one version on: a changed build, loaded with this build's real version, is then an
 * older one that is migrated.
 */
export const ONE_ON: KnownLayouts = { version: DpLayout.version + 1, oldest: DpLayout.version };

const SOURCES = join(import.meta.dirname, "../../../../bpf");
const compiled = new Map<string, Map<ObjectName, Uint8Array>>();

/** Compiles all objects that are loaded together, once for the same changes. */
export function otherBuild(edits: Edits): Map<ObjectName, Uint8Array> {
  const known = compiled.get(JSON.stringify(edits));
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "coretest-bpf-"));
  try {
    cpSync(SOURCES, folder, { recursive: true });
    for (const [file, changes] of Object.entries(edits)) {
      const path = join(folder, file);
      let text = readFileSync(path, "utf8");
      for (const [from, to] of changes) {
        if (text.split(from).length !== 2) throw new Error(`${file} does not have this once: ${from}`);
        text = text.replace(from, () => to);
      }
      writeFileSync(path, text);
    }
    const images = new Map(
      LOADED_OBJECTS.map((name) => {
        const object = join(folder, "out.o");
        const flags = ["-O2", "-g", "-mcpu=v3", "-target", "bpf", "-idirafter", "/usr/include/x86_64-linux-gnu"];
        execFileSync("clang", [...flags, "-c", `${name}.bpf.c`, "-o", object], { cwd: folder });
        return [name, new Uint8Array(readFileSync(object))] as const;
      }),
    );
    compiled.set(JSON.stringify(edits), images);
    return images;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface OtherLoad {
  /** Of dp_meta; "none" as if it were missing. Default: this build's. */
  layoutVersion?: number | "none";
  maxEntries?: Readonly<Record<string, number>>;
}

/**
 * Loads a build without the loader of this package, and pins it under a pin root: what another build leaves on a host.
 */
export function loadOther(pinRoot: string, images: Map<ObjectName, Uint8Array>, options: OtherLoad = {}): void {
  const { layoutVersion = DpLayout.version, maxEntries = {} } = options;
  for (const folder of ["progs", "maps"]) if (!existsSync(join(pinRoot, folder))) mkdirSync(join(pinRoot, folder));
  const maps = new Map<string, RawMap>();
  const objects: BpfObject[] = [];
  try {
    for (const [name, image] of images) {
      using open = BpfObject.open(image, { name });
      const own = open.maps().filter(({ internal }) => !internal);
      const codecs = own.map((map) => [map.name, rawCodecs(map.type, map.keySize, map.valueSize)] as const);
      for (const map of own) {
        const known = maps.get(map.name);
        if (known !== undefined) map.reuse(known);
        else if (maxEntries[map.name] !== undefined) map.setMaxEntries(maxEntries[map.name] as number);
      }
      const object = open.load();
      objects.push(object);
      for (const [map, [key, value]] of codecs) if (!maps.has(map)) maps.set(map, object.map(map, key, value));
      for (const row of PINNED_PROGRAMS.filter((each) => each.object === name)) {
        object.program(functionName(row.name)).pin(join(pinRoot, "progs", functionName(row.name)));
      }
    }
    if (layoutVersion === "none") maps.delete("dp_meta");
    else maps.get("dp_meta")?.set(u32.write(0), [dpMeta.write({ layoutVersion, loadedAt: 1n, build: "0.0.1-other" })]);
    for (const [name, map] of maps) map.pin(join(pinRoot, "maps", name));
  } finally {
    for (const object of objects) object.close();
  }
}

/** A pinned program. */
export function pinnedProgram(pinRoot: string, name: string): Program {
  return Program.fromPin(join(pinRoot, "progs", name));
}
