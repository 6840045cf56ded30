/** The cgroup2 hierarchy: its mounts, and the cgroups of processes. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatapathError, isCgroup2, UnsupportedError } from "@dp/sys";
import { type Mount, parseMounts } from "./mountinfo.ts";

/** The cgroup2 mounts in /proc/PID/mountinfo, mounts of a higher cgroup first. */
export function parseCgroup2Mounts(mountinfo: string): Mount[] {
  return parseMounts(mountinfo, "cgroup2").sort((one, other) => one.root.length - other.root.length);
}

/** The cgroup2 path in /proc/PID/cgroup; undefined for a cgroup that was removed, and without cgroup2. */
export function parseCgroup2Path(cgroup: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(cgroup)?.[1];
  return path?.endsWith(" (deleted)") ? undefined : path;
}

/** The deepest cgroup that contains all of these; undefined for an empty list. */
export function commonCgroup(paths: readonly string[]): string | undefined {
  const [first, ...others] = paths.map((path) => path.split("/").filter((name) => name !== ""));
  if (first === undefined) return undefined;
  const differs = first.findIndex((name, at) => others.some((other) => other[at] !== name));
  return `/${(differs < 0 ? first : first.slice(0, differs)).join("/")}`;
}

/** The cgroup2 path of a process; undefined when the process is gone. */
export function cgroupOfProcess(pid: number): string | undefined {
  try {
    return parseCgroup2Path(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** The folder of a cgroup. Throws `DatapathError` `FAILED` when no mount shows it. */
export function cgroupFolder(cgroup: string): string {
  for (const { path, root } of parseCgroup2Mounts(readFileSync("/proc/self/mountinfo", "utf8"))) {
    const below =
      root === "/" ? cgroup : cgroup === root ? "/" : cgroup.startsWith(`${root}/`) && cgroup.slice(root.length);
    if (below !== false) return join(path, below);
  }
  throw new DatapathError("FAILED", undefined, `no cgroup2 mount shows the cgroup ${cgroup}`, {
    hint: "mount it: mount -t cgroup2 cgroup2 FOLDER",
  });
}

/** The folder of the cgroup with this id, the inode number of its folder; undefined when no mount shows it. */
export function cgroupFolderById(id: bigint): string | undefined {
  for (const { path } of cgroup2Mounts()) {
    const found = findFolder(path, id);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findFolder(folder: string, id: bigint): string | undefined {
  if (statSync(folder, { bigint: true, throwIfNoEntry: false })?.ino === id) return folder;
  for (const name of foldersIn(folder)) {
    const found = findFolder(join(folder, name), id);
    if (found !== undefined) return found;
  }
  return undefined;
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
  } catch (error) {
    // The cgroup was removed meanwhile.
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

/** Where the whole cgroup2 hierarchy is mounted. Throws `UnsupportedError` when it is not mounted. */
export function cgroup2Mount(op: string): string {
  const [mount] = cgroup2Mounts();
  if (mount !== undefined) return mount.path;
  throw new UnsupportedError("cgroup2", "mount it: mkdir -p /run/cgroup2 && mount -t cgroup2 cgroup2 /run/cgroup2", {
    op,
    reason: "no cgroup2 is mounted: SO_ORIGINAL_DST would not work for the proxy",
  });
}

/** The mounts that are not hidden under another mount. */
function cgroup2Mounts(): Mount[] {
  return parseCgroup2Mounts(readFileSync("/proc/self/mountinfo", "utf8")).filter(({ path }) => isCgroup2(path));
}
