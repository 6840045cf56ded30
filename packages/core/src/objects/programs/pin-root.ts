import { mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatapathError, Errno, isBpffs } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { callError } from "../../libbpf/errors.ts";
import { unpin } from "../../libbpf/pin.ts";
import type { Undo } from "../upgrade/undo.ts";
import {
  type CgroupProgram,
  functionName,
  type InterfaceProgram,
  INTERFACE_PROGRAMS,
  type PinnedProgram,
  type ProgramName,
} from "./program-table.ts";

/** Where everything is pinned unless another pin root is given. */
export const DEFAULT_PIN_ROOT = "/sys/fs/bpf";

/** The folder of pinned programs and links under the default pin root. */
export const PROG_PIN_PATH = "/sys/fs/bpf/progs";

/** Names that pinOver leaves when it is killed halfway. */
const TEMPORARY = /^tmp_\d+_\d+$/;
/** A map and its id in the kernel. */
const REPLACED = /^(dp_\w+)_(\d+)$/;
const LINK = new RegExp(`^dp_(${INTERFACE_PROGRAMS.map(({ name }) => name).join("|")})_(.+)$`);

/**
 * The name of the pin of a program on an interface. It has ":" for ".": bpffs refuses dots, and the kernel refuses
 * colons in the names of interfaces.
 */
export function linkName(program: InterfaceProgram, iface: string): string {
  return `${functionName(program)}_${iface.replaceAll(".", ":")}`;
}

/**
 * A folder on a bpffs with everything pinned: programs and links in `progs/`, maps in `maps/`. During a migration, and
 * after one that was killed, the maps that were replaced are in `replaced/`.
 *
 * The name of a link ends in the name of its interface. Names of container peers are not unique: their links have the
 * names of the host peers.
 */
export class PinRoot {
  readonly path: string;
  readonly progs: string;
  readonly maps: string;
  readonly #replaced: string;

  constructor(path: string) {
    this.path = resolve(path);
    this.progs = join(this.path, "progs");
    this.maps = join(this.path, "maps");
    this.#replaced = join(this.path, "replaced");
  }

  program(program: PinnedProgram): string {
    return join(this.progs, functionName(program));
  }

  map(name: string): string {
    return join(this.maps, name);
  }

  link(program: InterfaceProgram, iface: string): string {
    return join(this.progs, linkName(program, iface));
  }

  hasLink(program: InterfaceProgram, iface: string): boolean {
    return exists(this.link(program, iface));
  }

  /** There is one cgroup at a time. */
  cgroupLink(program: CgroupProgram): string {
    return join(this.progs, `${functionName(program)}_cgroup`);
  }

  netfilterLink(program: ProgramName, family: "ipv4" | "ipv6"): string {
    return join(this.progs, `${functionName(program)}_${family}`);
  }

  /** Of a program that the host's network namespace has once. */
  hostLink(program: ProgramName): string {
    return join(this.progs, `${functionName(program)}_host`);
  }

  /** The maps that a migration replaced, until it is finished. */
  replaced(): { name: string; id: number; path: string }[] {
    return namesIn(this.#replaced).flatMap((file) => {
      const [, name, id] = REPLACED.exec(file) ?? [];
      return name === undefined ? [] : [{ name, id: Number(id), path: join(this.#replaced, file) }];
    });
  }

  /** Where a replaced map is pinned until the migration is finished. Makes the folder. */
  pathForReplaced(name: string, id: number): string {
    makeFolder(this.#replaced);
    return join(this.#replaced, `${name}_${id}`);
  }

  /** The links to interfaces that are pinned here. */
  links(): { program: InterfaceProgram; iface: string; path: string }[] {
    return namesIn(this.progs).flatMap((name) => {
      const [, program, iface] = LINK.exec(name) ?? [];
      if (program === undefined || iface === undefined) return [];
      return [
        { program: program as InterfaceProgram, iface: iface.replaceAll(":", "."), path: join(this.progs, name) },
      ];
    });
  }

  /** Makes the folders that are missing. Throws `DatapathError` when this is not on a bpffs. */
  create(undo?: Undo): void {
    this.#requireBpffs();
    for (const folder of [this.path, this.progs, this.maps]) {
      if (!makeFolder(folder)) continue;
      undo?.add(() => {
        beforeChange("remove", folder);
        rmdirSync(folder);
      });
    }
  }

  #requireBpffs(): void {
    const folder = exists(this.path) ? this.path : dirname(this.path);
    if (isBpffs(folder)) return;
    const reason = exists(folder) ? `${folder} is not on a bpffs` : `${folder} does not exist`;
    throw new DatapathError("FAILED", `pin at ${this.path}`, reason, {
      hint: `mount one: mount -t bpf bpf ${this.path}`,
    });
  }

  /** Removes what a process that was killed while it replaced a pin has left. */
  sweep(): void {
    for (const folder of [this.progs, this.maps, this.#replaced]) {
      for (const name of namesIn(folder)) if (TEMPORARY.test(name)) unpin(join(folder, name));
    }
  }

  /** Every pin of datapath's in use, by its path: also of programs and maps this build does not know. */
  pins(): { progs: string[]; maps: string[] } {
    const ours = (folder: string) =>
      namesIn(folder)
        .filter((name) => name.startsWith("dp_") || TEMPORARY.test(name))
        .map((name) => join(folder, name));
    return { progs: ours(this.progs), maps: ours(this.maps) };
  }

  /** Removes the folders, as far as they are empty: pins of other software stay. */
  removeFolders(): void {
    for (const folder of [this.#replaced, this.progs, this.maps]) removeIfEmpty(folder);
  }

  /** Removes the folder of replaced maps, once it is empty. */
  removeReplacedFolder(): void {
    removeIfEmpty(this.#replaced);
  }
}

/** False when it is there. */
function makeFolder(folder: string): boolean {
  if (exists(folder)) return false;
  beforeChange("make", folder);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    throw folderError("make", "mkdir", folder, cause);
  }
  return true;
}

function removeIfEmpty(folder: string): void {
  if (!exists(folder)) return;
  try {
    beforeChange("remove", folder);
    rmdirSync(folder);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (!["ENOENT", "ENOTEMPTY"].includes(code)) throw folderError("remove", "rmdir", folder, cause);
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) return [];
    throw folderError("list", "readdir", folder, cause);
  }
}

function folderError(verb: string, syscall: string, folder: string, cause: unknown): DatapathError {
  const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? Errno.EINVAL);
  return callError(-errno, { op: `${verb} ${folder}`, call: syscall, target: folder });
}
