import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { pinnedRecords, RECORDS_PIN, type ServerRecord } from "@dp/core";
import { parseMounts } from "../kernel/mountinfo.ts";
import { isTrusted } from "./folders.ts";

/**
 * The records of all pin roots on this machine, in any mount namespace: an interface without a record in this pin root
 * may belong to a server of another one.
 *
 * @returns undefined when this build cannot read the records of a pin root, so that any interface may be one of its
 *   servers'
 */
export function recordsOfAllRoots(): ServerRecord[] | undefined {
  const records: ServerRecord[] = [];
  for (const root of pinRoots()) {
    try {
      records.push(...pinnedRecords(root));
    } catch {
      return undefined;
    }
  }
  return records;
}

/** The pin roots that any process can see, by a path through /proc that this process can open. */
export function pinRoots(): string[] {
  const seen = new Set<string>();
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
      if (seen.has(namespace)) return [];
      seen.add(namespace);
      const mounts = parseMounts(readFileSync(`/proc/${pid}/mountinfo`, "utf8"), "bpf");
      return mounts.flatMap(({ path }) => rootsBelow(join(`/proc/${pid}/root`, path)));
    } catch {
      // The process ended meanwhile, or is a kernel thread.
      return [];
    }
  });
}

/** The folders with a `maps` folder that has the pinned records. */
function rootsBelow(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  // Any user can make such a folder, on a bpffs in a user namespace too: only root's says something of this host.
  const own = isOwn(join(folder, "maps")) && has(join(folder, RECORDS_PIN)) ? [folder] : [];
  const below = entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => rootsBelow(join(folder, name)));
  return [...own, ...below];
}

function isOwn(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && isTrusted(stat);
}

function has(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
