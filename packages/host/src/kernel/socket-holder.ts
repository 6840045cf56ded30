import { readdirSync, readlinkSync } from "node:fs";
import { commandOf } from "@dp/sys";

/** The processes that have one of these sockets open, by pid. Those of a process namespace above cannot be seen. */
export function socketHolders(inodes: readonly string[]): number[] {
  const wanted = new Set(inodes.map((inode) => `socket:[${inode}]`));
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && openFiles(name).some((file) => wanted.has(file)))
    .map(Number)
    .sort((one, other) => one - other);
}

function openFiles(pid: string): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).flatMap((fd) => linkTarget(`${folder}/${fd}`) ?? []);
  } catch {
    // It ended meanwhile.
    return [];
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}

/** "process 17 (nginx: master process) with 4 more", for an error; by the first, which the others mostly come from. */
export function describeHolders(inodes: readonly string[]): string {
  const [first, ...others] = socketHolders(inodes);
  // The kernel's own (NFS), or of a process that cannot be seen from here.
  if (first === undefined) return "something that is no process of this host";
  const more = others.length === 0 ? "" : ` with ${others.length} more`;
  return `process ${first} (${commandOf(first)})${more}`;
}
