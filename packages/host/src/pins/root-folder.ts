import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DEFAULT_PIN_ROOT } from "@dp/core";

/** f_type of statfs(2) for sysfs, where folders cannot be created: linux/magic.h. */
const SYSFS_MAGIC = 0x62656572;

/** Where the pin root comes from, for the user of the wrong one. */
export const CHECK_PIN_ROOT = "check --pin-root and DP_PIN_ROOT";

/** The state of a pin root's folder. `missing` are the folders to create for it, outermost first. */
export type RootFolder = { usable: true; missing: readonly string[] } | { usable: false; reason: string; hint: string };

/** Looks whether a pin root, an absolute path, is a folder or can become one. Changes nothing. */
export function lookAtRootFolder(path: string): RootFolder {
  const missing: string[] = [];
  let folder = path;
  let stat = statOf(folder);
  while (stat === undefined) {
    missing.unshift(folder);
    folder = dirname(folder);
    stat = statOf(folder);
  }
  if (!stat.isDirectory()) return { usable: false, reason: `${folder} is not a folder`, hint: CHECK_PIN_ROOT };
  if (missing.length === 0 || statfsSync(folder).type !== SYSFS_MAGIC) return { usable: true, missing };
  if (folder !== DEFAULT_PIN_ROOT) {
    return { usable: false, reason: `folders cannot be created in ${folder}, a sysfs`, hint: CHECK_PIN_ROOT };
  }
  return { usable: false, reason: `no bpffs is mounted on ${folder}`, hint: `mount one: mount -t bpf bpf ${folder}` };
}

/** Undefined also below a file. */
function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}
