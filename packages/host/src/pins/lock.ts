import { isBpffs, Errno, expediteGracePeriods, type Fd, lockDirectory, type LockHolder, SyscallError } from "@dp/sys";
import { type HostOptions, LOCK_TIMEOUT_MS, pinRootOf } from "../host-options.ts";
import {
  hasFolders,
  lockFolder,
  makeLockFolder,
  removeLockFolder,
  requireOwnFolders,
  secureFolders,
} from "./folders.ts";

/**
 * Takes the exclusive lock of a pin root on a bpffs: that of its folder of programs, which only root can open. The
 * folder is made where there is none. Closing the lock releases it.
 *
 * @throws DatapathError `CONFLICT` when the folders of the pin root are not this user's alone, `BUSY`
 */
export async function lock(path: string, options: HostOptions): Promise<Disposable> {
  for (;;) {
    requireOwnFolders(path);
    makeLockFolder(path);
    secureFolders(path);
    const taken = await lockIfThere(lockFolder(path), path, options);
    // Removed meanwhile, by the process that was waited for.
    if (taken === undefined) continue;
    return {
      [Symbol.dispose]() {
        try {
          removeLockFolder(path);
        } finally {
          taken.close();
        }
      },
    };
  }
}

/**
 * Takes the lock of a folder that becomes a pin root: no bpffs is mounted on it yet. Undefined when there is another
 * folder by now: a bpffs was mounted on it, or it was removed.
 */
export function lockMountPoint(path: string, options: HostOptions): Promise<Fd | undefined> {
  return lockIfThere(path, path, options);
}

async function lockIfThere(folder: string, path: string, options: HostOptions): Promise<Fd | undefined> {
  try {
    return await lockDirectory(folder, timeoutOf(options), onWait(path, options), options.signal);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
    throw error;
  }
}

function timeoutOf({ lockTimeoutMs = LOCK_TIMEOUT_MS }: HostOptions): number {
  return lockTimeoutMs;
}

function onWait(path: string, options: HostOptions): (holder: LockHolder | undefined) => void {
  return (holder) => {
    const who = holder === undefined ? "another process" : `process ${holder.pid} (${holder.command})`;
    options.warn?.(`waiting for ${who}, which is changing ${path}`);
  };
}

/** Shortens the kernel's grace periods, which are most of a change's time, unless the options say otherwise. */
export function expedite({ expedite: wanted = true }: HostOptions): Disposable {
  return wanted ? expediteGracePeriods() : { [Symbol.dispose]() {} };
}

/** Runs `body` under the lock of an existing pin root. Where nothing is pinned, there is nothing to lock. */
export async function withLock<T>(options: HostOptions, body: () => T): Promise<T> {
  const path = pinRootOf(options);
  using _lock = isBpffs(path) && hasFolders(path) ? await lock(path, options) : undefined;
  return body();
}
