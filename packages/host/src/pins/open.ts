import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { loadBpf, type Objects, openPinned } from "@dp/core";
import { openPrevious } from "@dp/core/internal";
import {
  DatapathError,
  expediteGracePeriods,
  type Fd,
  isBpffs,
  lockDirectory,
  type LockHolder,
  mountBpffs,
  SyscallError,
  unmount,
} from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { during } from "../during.ts";
import { type HostOptions, LOCK_TIMEOUT_MS, pinnedOptions, pinRootOf } from "../host-options.ts";
import { messageOf } from "../transaction.ts";
import { requireOwnNamespace } from "./own-namespace.ts";

/** Takes the exclusive lock of a pin root, which exists. Closing it releases it. */
function lock(path: string, options: HostOptions): Promise<Fd> {
  const onWait = (holder: LockHolder | undefined) => {
    const who = holder === undefined ? "another process" : `process ${holder.pid} (${holder.command})`;
    options.warn?.(`waiting for ${who}, which is changing ${path}`);
  };
  return lockDirectory(path, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS, onWait, options.signal);
}

/** Shortens the kernel's waits until it is disposed of, unless the options say otherwise. */
export function expedite({ expedite: wanted = true }: HostOptions): Disposable {
  return wanted ? expediteGracePeriods() : { [Symbol.dispose]() {} };
}

/** Runs `body` under the lock of a pin root, which exists. */
export async function withLock<T>(options: HostOptions, body: () => T): Promise<T> {
  using _lock = await lock(pinRootOf(options), options);
  return body();
}

/**
 * Runs `body` with the loaded datapath, under the pin root's lock. Errors without an op get `op`: see {@link during}.
 *
 * @throws DatapathError `NOT_LOADED` when nothing is loaded there, or it has to be loaded anew: by an older build, or
 *   an upgrade was not finished. `CONFLICT` when a newer build has loaded it
 */
export async function withLoaded<T>(
  options: HostOptions,
  op: string,
  body: (objects: Objects) => T | Promise<T>,
): Promise<T> {
  return during(op, async () => {
    const path = pinRootOf(options);
    if (!isBpffs(path)) throw notLoaded(path);
    using _lock = await lock(path, options);
    using objects = open(options);
    requireUpToDate(objects);
    using _expedited = expedite(options);
    return await body(objects);
  });
}

/** As {@link withLoaded}, without the lock: for reading, which an older build's maps allow. */
export function withLoadedUnlocked<T>(options: HostOptions, op: string, body: (objects: Objects) => T): T {
  return during(op, () => {
    using objects = openLoaded(options);
    return body(objects);
  });
}

/** The loaded datapath, without the lock, for the caller to close. Throws as {@link withLoaded}. */
export function openLoaded(options: HostOptions): Objects {
  const path = pinRootOf(options);
  if (!isBpffs(path)) throw notLoaded(path);
  return open(options);
}

/**
 * Opens whatever is loaded, to be loaded anew or taken down: also an older build's, and what is loaded only in part;
 * undefined when nothing is. What running programs still have is pinned again.
 *
 * @throws DatapathError `CONFLICT` when a newer build has loaded it
 */
export function openPreviousLoad(options: HostOptions): Objects | undefined {
  const path = pinRootOf(options);
  const previous = guarded(path, () => openPrevious(pinnedOptions(options)));
  if (previous === undefined || previous.needsLoad !== undefined) return previous;
  const missing = previous.missing();
  if (missing.length > 0) options.warn?.(`${path} is loaded only in part: ${missing.join(", ")} missing`);
  return previous;
}

/**
 * Opens what is loaded; undefined when nothing is. What is loaded only in part (a pin was removed by hand) is made
 * whole first.
 *
 * @throws DatapathError `NOT_LOADED` when it has to be loaded anew
 */
export function openOrRepair(options: HostOptions): Objects | undefined {
  using previous = openPreviousLoad(options);
  if (previous === undefined) return undefined;
  requireUpToDate(previous);
  return previous.missing().length === 0 ? openPinned(pinnedOptions(options)) : loadBpf(pinnedOptions(options));
}

function requireUpToDate(objects: Objects): void {
  const { needsLoad } = objects;
  if (needsLoad === undefined) return;
  throw new DatapathError("NOT_LOADED", undefined, needsLoad, { hint: "run `dp load` first" });
}

/** Opens what is loaded as a whole, to be looked at; undefined when nothing is, or only a part. */
export function openIfLoaded(options: HostOptions): Objects | undefined {
  try {
    const path = pinRootOf(options);
    return guarded(path, () => openPinned(pinnedOptions(options)));
  } catch (error) {
    if (error instanceof DatapathError && error.code === "NOT_LOADED") return undefined;
    throw error;
  }
}

/** Whether anything of datapath's is pinned there. */
export function hasPins(path: string): boolean {
  return ["progs", "maps"].some((folder) => {
    try {
      return readdirSync(join(path, folder)).some((name) => name.startsWith("dp_"));
    } catch {
      return false;
    }
  });
}

function open(options: HostOptions): Objects {
  const path = pinRootOf(options);
  try {
    return guarded(path, () => openPinned(pinnedOptions(options)));
  } catch (error) {
    if (error instanceof DatapathError && error.code === "NOT_LOADED") throw notLoaded(path, error);
    throw error;
  }
}

/** What is opened is not kept open where it is not to be used: see {@link requireOwnNamespace}. */
function guarded<T extends Objects | undefined>(path: string, opening: () => T): T {
  const objects = opening();
  try {
    if (objects !== undefined) requireOwnNamespace(objects, path);
    return objects;
  } catch (error) {
    objects?.close();
    throw error;
  }
}

function notLoaded(path: string, cause?: unknown): DatapathError {
  return new DatapathError("NOT_LOADED", undefined, `datapath is not loaded at ${path}`, {
    cause,
    hint: "run `dp load` first",
  });
}

/** A pin root that is on a bpffs, and how to take back what was done to get there. */
interface PreparedPinRoot {
  /** Unmounts and removes what was made, unless somebody uses it by now. */
  undo(): void;
}

/**
 * Runs `body` under the lock of a pin root, which is made if need be: its folder, and a bpffs on it unless it is on
 * one.
 * When `body` throws, what was made is gone again.
 */
export async function withPreparedPinRoot<T>(options: HostOptions, op: string, body: () => T): Promise<T> {
  return during(op, async () => {
    const path = resolve(pinRootOf(options));
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
  });
}

async function prepare(path: string, options: HostOptions): Promise<PreparedPinRoot> {
  const made = makeFolder(path);
  const removeFolder = () => {
    for (const folder of made.toReversed()) removeIfEmpty(folder);
  };
  try {
    // Two first loads at once: the second must not mount over what the first has mounted.
    using _lock = await lock(path, options);
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
      // Somebody else has it open: then it is theirs to keep.
      if (!(error instanceof SyscallError)) throw error;
      options.warn?.(`the bpffs on ${path} stays mounted: ${messageOf(error)}`);
      return;
    }
    removeFolder();
  };
  return { undo };
}

/** @returns the folders that were made, outermost first */
function makeFolder(path: string): string[] {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  try {
    beforeChange("make", path);
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new DatapathError("FAILED", undefined, `cannot make the pin root ${path}: ${messageOf(cause)}`, { cause });
  }
  if (!statSync(path).isDirectory())
    throw new DatapathError("BAD_USAGE", undefined, `the pin root ${path} is not a folder`);
  return missing;
}

function removeIfEmpty(folder: string): void {
  try {
    beforeChange("remove", folder);
    rmdirSync(folder);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** A mount in a namespace of its own (`ip netns exec` makes one) vanishes with it, and with it all that is pinned. */
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
