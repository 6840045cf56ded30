import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ServerRecord } from "@dp/core";
import { pinnedRecords, RECORDS_PIN } from "@dp/core/internal";
import { parseMounts } from "../kernel/mountinfo.ts";

/**
 * The records of every pin root on this machine, in whatever mount namespace it is mounted: an interface that has none
 * here may be a server's all the same.
 *
 * @returns undefined when there is a root whose records this build cannot read: it may have any server
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

/** Every pin root that some process can see, by a path that leads there from here. */
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
      // It ended meanwhile, or is a kernel thread.
      return [];
    }
  });
}

/** Folders like ROOT/maps with the pinned records in them. */
function rootsBelow(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  const own = entries.some(({ name }) => name === "maps") && has(join(folder, RECORDS_PIN)) ? [folder] : [];
  const below = entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => rootsBelow(join(folder, name)));
  return [...own, ...below];
}

function has(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
