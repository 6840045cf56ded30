/** A server's network namespace, and the processes in it. */
import { readdirSync, readlinkSync } from "node:fs";
import { serverLabel, type ServerRecord } from "@dp/core";
import { DatapathError, type Fd, netnsCookie, openNetns } from "@dp/sys";
import { messageOf } from "../transaction.ts";

/** The processes whose network namespace has this inode number, by pid. Threads elsewhere do not count. */
export function processesIn(netnsInode: bigint): number[] {
  const wanted = `net:[${netnsInode}]`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === wanted)
    .map(Number)
    .sort((one, other) => one - other);
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    // The process ended meanwhile, or is a zombie, which has no sockets.
    return undefined;
  }
}

/**
 * Opens a server's network namespace: by the path in its record, or through a process in it when that path no longer
 * leads to it.
 *
 * @throws DatapathError `FAILED` when the namespace is gone
 */
export function openServerNetns(record: ServerRecord): Fd {
  const { path: named, cookie, inode } = record.netns;
  let why = `${named} is now another namespace`;
  const candidates = [named, ...processesIn(inode).map((pid) => `/proc/${pid}/ns/net`)];
  for (const path of candidates) {
    let fd: Fd | undefined;
    try {
      fd = openNetns(path);
      if (netnsCookie(fd) === cookie) return fd;
    } catch (error) {
      if (path === named) why = messageOf(error);
    }
    fd?.close();
  }
  throw new DatapathError("FAILED", undefined, `the network namespace of ${serverLabel(record)} is gone: ${why}`, {
    hint: `if the container is gone, too: dp del-server ${record.name}`,
  });
}
