import { mkdirSync, readlinkSync, rmdirSync } from "node:fs";
import { DatapathError, isBpffs, mountBpffs, SyscallError, unmount } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { type HostOptions, pinRootOf } from "../host-options.ts";
import { messageOf } from "../transaction.ts";
import { expedite, lock, lockMountPoint } from "./lock.ts";
import { lookAtRootFolder } from "./root-folder.ts";

/** A pin root on a bpffs, and the undo of what was created for it. */
interface PreparedPinRoot {
  /** Unmounts the bpffs and removes the folders that were created, unless another process uses them. */
  undo(): void;
}

/**
 * Runs `body` under the lock of a pin root. Creates the folder first if it is missing, and mounts a bpffs on it unless
 * it is on one. When `body` throws, this is undone.
 */
export async function withPreparedPinRoot<T>(options: HostOptions, body: () => T): Promise<T> {
  const path = pinRootOf(options);
  const prepared = await prepare(path, options);
  try {
    using _lock = await lock(path, options);
    using _expedited = expedite(options);
    return body();
  } catch (error) {
    // Only now: an open lock keeps the filesystem busy.
    prepared.undo();
    throw error;
  }
}

async function prepare(path: string, options: HostOptions): Promise<PreparedPinRoot> {
  const made = makeFolder(path);
  const removeFolder = () => {
    for (const folder of made.toReversed()) removeIfEmpty(folder);
  };
  try {
    // Two first loads at once: the second must not mount over the first one's bpffs.
    if (isBpffs(path)) return { undo: removeFolder };
    using _lock = await lockMountPoint(path, options);
    // Another first load mounted one meanwhile, or removed the folder.
    if (_lock === undefined) return await prepare(path, options);
    if (isBpffs(path)) return { undo: removeFolder };
    warnOfOwnMountNamespace(path, options);
    mountBpffs(path);
  } catch (error) {
    removeFolder();
    throw error;
  }
  const undo = () => {
    try {
      unmount(path);
    } catch (error) {
      // Another process has it open, and goes on using it.
      if (!(error instanceof SyscallError)) throw error;
      options.warn?.(`the bpffs on ${path} stays mounted: ${messageOf(error)}`);
      return;
    }
    removeFolder();
  };
  return { undo };
}

/** @returns the folders that were created, outermost first */
function makeFolder(path: string): readonly string[] {
  const folder = lookAtRootFolder(path);
  if (!folder.usable) {
    const { reason, hint } = folder;
    throw new DatapathError("BAD_USAGE", undefined, `cannot use the pin root ${path}: ${reason}`, { hint });
  }
  try {
    beforeChange("make", path);
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new DatapathError("FAILED", undefined, `cannot create the pin root ${path}: ${messageOf(cause)}`, { cause });
  }
  return folder.missing;
}

function removeIfEmpty(folder: string): void {
  try {
    beforeChange("remove", folder);
    rmdirSync(folder);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** A mount in another mount namespace (`ip netns exec` makes one) ends with the namespace, and the pins with it. */
function warnOfOwnMountNamespace(path: string, options: HostOptions): void {
  let own: boolean;
  try {
    own = readlinkSync("/proc/self/ns/mnt") !== readlinkSync("/proc/1/ns/mnt");
  } catch {
    return;
  }
  if (own) {
    options.warn?.(
      `mounting a bpffs on ${path} in this process's own mount namespace: what is loaded ends with that namespace ` +
        "(`ip netns exec` makes one, `nsenter --net=/run/netns/NAME` does not)",
    );
  }
}
