/** A server's network namespace, and the processes in it. */
import { readdirSync, readlinkSync } from "node:fs";
import type { ServerRecord } from "@dp/core";
import { DatapathError, type Fd, netnsCookie, openNetns } from "@dp/sys";
import { label } from "../server/server.ts";
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
  let why = `${record.netns} is now another namespace`;
  const candidates = [record.netns, ...processesIn(record.netnsInode).map((pid) => `/proc/${pid}/ns/net`)];
  for (const path of candidates) {
    let fd: Fd | undefined;
    try {
      fd = openNetns(path);
      if (netnsCookie(fd) === record.netnsCookie) return fd;
    } catch (error) {
      if (path === record.netns) why = messageOf(error);
    }
    fd?.close();
  }
  throw new DatapathError("FAILED", undefined, `the network namespace of ${label(record)} is gone: ${why}`, {
    hint: `if the container is gone, too: dp del-server --name ${record.name}`,
  });
}
