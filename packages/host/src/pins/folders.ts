/**
 * Who may change what is pinned. The folders of pins are this user's, who is root alone: then a bpffs on
 * which every user may create files does no harm. The lock is the flock(2) of one of them: other users cannot open it.
 */
import { chmodSync, lstatSync, mkdirSync, rmdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { DatapathError } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";

/** The folders that @dp/core makes in a pin root. */
const FOLDERS = ["progs", "maps", "replaced"] as const;

const OWNERS_ONLY = 0o700;
const PERMISSIONS = 0o777;
const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/** The folder whose lock is that of the pin root. */
export function lockFolder(path: string): string {
  return join(path, "progs");
}

/** Makes the folder of the lock. Does nothing when it is there. */
export function makeLockFolder(path: string): void {
  const folder = lockFolder(path);
  if (statOf(folder) !== undefined) return;
  beforeChange("make", folder);
  try {
    mkdirSync(folder, { mode: OWNERS_ONLY });
  } catch (error) {
    // Another command makes it at this moment.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Removes the folder of the lock, which the caller holds, if nothing is pinned there. */
export function removeLockFolder(path: string): void {
  try {
    rmdirSync(lockFolder(path));
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** Whether there is any folder of pins. */
export function hasFolders(path: string): boolean {
  return FOLDERS.some((folder) => statOf(join(path, folder)) !== undefined);
}

/**
 * Refuses a pin root that another user can change, and closes its folders to others.
 *
 * @throws DatapathError `CONFLICT` when a folder belongs to another user, or another user may replace it
 */
export function secureFolders(path: string): void {
  requireOwnFolders(path);
  for (const folder of FOLDERS.map((name) => join(path, name))) {
    const mode = statOf(folder)?.mode;
    if (mode === undefined || (mode & PERMISSIONS) === OWNERS_ONLY) continue;
    beforeChange("close to other users", folder);
    chmodSync(folder, OWNERS_ONLY);
  }
}

/** As {@link secureFolders}, and changes nothing. */
export function requireOwnFolders(path: string): void {
  const danger = dangerOf(path);
  if (danger === undefined) return;
  throw new DatapathError("CONFLICT", `open ${path}`, danger.reason, { hint: danger.hint });
}

/** Why a pin root is not this user's alone. Undefined when it is, or is not there. */
export function dangerOf(path: string): { reason: string; hint: string } | undefined {
  const root = statOf(path);
  if (root === undefined) return undefined;
  const writable = (root.mode & WRITABLE_BY_OTHERS) !== 0 && (root.mode & STICKY) === 0;
  // The owner of a folder, and each user who may write into one without the sticky bit, can replace what is in it.
  if (!isTrusted(root) || writable) {
    const whose = isTrusted(root) ? `has mode ${modeText(root)}` : `belongs to user ${root.uid}`;
    const reason = `the pin root ${path} ${whose}: other users could replace what is pinned`;
    return { reason, hint: `chown root ${path} && chmod 0700 ${path}` };
  }
  for (const folder of FOLDERS.map((name) => join(path, name))) {
    const stat = statOf(folder);
    if (stat === undefined || (stat.isDirectory() && isTrusted(stat))) continue;
    const reason = stat.isDirectory()
      ? `${folder} belongs to user ${stat.uid}, who could remove what is pinned there`
      : `${folder} is not a folder`;
    return { reason, hint: `look at what is in it, then: rm -r ${folder}` };
  }
  return undefined;
}

/** Whether other users may create files there. */
export function isWritableByOthers(path: string): boolean {
  const mode = statOf(path)?.mode ?? 0;
  return (mode & WRITABLE_BY_OTHERS) !== 0;
}

/** Root's, or of the user that this process runs as. */
export function isTrusted({ uid }: Pick<Stats, "uid">): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function modeText({ mode }: Stats): string {
  return (mode & (PERMISSIONS | STICKY)).toString(8).padStart(4, "0");
}

/**
 * Not through a symbolic link: another user may have made it. Undefined also for a process that may not look: it cannot
 * open what is there either.
 */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (["EACCES", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
