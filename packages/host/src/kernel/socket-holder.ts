import { readdirSync, readlinkSync } from "node:fs";
import { commandOf } from "@dp/sys";

/** The pids of the processes that have one of these sockets open. Processes of an outer pid namespace are not seen. */
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
    // The process ended meanwhile.
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

/** "process 17 (nginx: master process) with 4 more", for an error. Names the lowest pid, mostly the parent. */
export function describeHolders(inodes: readonly string[]): string {
  const [first, ...others] = socketHolders(inodes);
  // A socket of the kernel (NFS), or of a process in another pid namespace.
  if (first === undefined) return "the kernel, or a process of another pid namespace,";
  const more = others.length === 0 ? "" : ` with ${others.length} more`;
  return `process ${first} (${commandOf(first)})${more}`;
}
