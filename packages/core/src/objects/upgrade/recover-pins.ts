/** Makes pins again that were removed: of programs that run, and of the maps they have. */
import { mapLayouts } from "@dp/bpf";
import { Link } from "../../libbpf/link.ts";
import { openPin, pinnedKind } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { openRawById } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import { CGROUP_PROGRAMS, PINNED_PROGRAMS, type PinnedProgram } from "../programs/program-table.ts";
import { unlessGone } from "../programs/unless-gone.ts";
import { type MapName, shapesOf } from "./layout-change.ts";
import { replaceTimers } from "./move-flows.ts";

/** Pins again the programs that are attached without being pinned, and the maps that programs have. */
export function recoverPins(root: PinRoot): void {
  recoverPrograms(root);
  recoverMaps(root);
}

function recoverPrograms(root: PinRoot): void {
  for (const { name } of PINNED_PROGRAMS) {
    if (pinnedKind(root.program(name)) !== undefined) continue;
    for (const path of attachmentsOf(root, name)) {
      using program = programAt(path);
      if (program === undefined) continue;
      program.pin(root.program(name));
      break;
    }
  }
}

function attachmentsOf(root: PinRoot, name: PinnedProgram): string[] {
  const onCgroup = CGROUP_PROGRAMS.find((row) => row.name === name);
  if (onCgroup !== undefined) return [root.cgroupLink(onCgroup.name)];
  return root.links().flatMap(({ program, path }) => (program === name ? [path] : []));
}

/** What the kernel keeps of a map's name. */
const NAME_LENGTH = 15;

/**
 * Pins again what the programs that are pinned or attached still have. A map that nothing holds any more is gone, with
 * all that was in it.
 */
function recoverMaps(root: PinRoot): void {
  const missing = (Object.keys(mapLayouts) as MapName[]).filter((name) => {
    using fd = openPin(root.map(name), "map");
    return fd === undefined;
  });
  if (missing.length === 0 || root.pins().progs.length === 0) return;
  const found = new Map<string, number>();
  for (const id of mapsInUse(root)) {
    using map = unlessGone(() => openRawById(id));
    // Those of pinned programs come first: an attached program may be that of an earlier load.
    if (map !== undefined && !found.has(map.name)) found.set(map.name, id);
  }
  for (const name of missing) {
    const id = found.get(name.slice(0, NAME_LENGTH));
    using map = id === undefined ? undefined : unlessGone(() => openRawById(id));
    if (map === undefined) continue;
    root.create();
    map.pin(root.map(name));
    if (name === "dp_origins") replaceTimers(map, shapesOf(map, name).value);
  }
}

/** The ids of the maps of programs under this root, those of pinned programs before those of attached ones. */
function mapsInUse(root: PinRoot): Set<number> {
  const ids = new Set<number>();
  const add = (program: Program) => {
    for (const id of program.info().mapIds) ids.add(id);
  };
  for (const { name } of PINNED_PROGRAMS) {
    const path = root.program(name);
    if (pinnedKind(path) !== "program") continue;
    using program = Program.fromPin(path);
    add(program);
  }
  for (const path of root.pins().progs) {
    using program = programAt(path);
    if (program !== undefined) add(program);
  }
  return ids;
}

/** The program that is pinned there, or that the link there runs. */
function programAt(path: string): Program | undefined {
  const kind = pinnedKind(path);
  if (kind === "program") return Program.fromPin(path);
  if (kind !== "link") return undefined;
  using link = Link.fromPin(path);
  return unlessGone(() => Program.fromId(link.info().programId));
}
