import { readdirSync } from "node:fs";
import { join } from "node:path";
import { loadBpf, type Objects, openPinned } from "@dp/core";
import { openPrevious } from "@dp/core/internal";
import { DatapathError, isBpffs } from "@dp/sys";
import { during } from "../during.ts";
import { type HostOptions, pinRootOf } from "../host-options.ts";
import { expedite, lock } from "./lock.ts";
import { requireOwnNamespace } from "./own-namespace.ts";

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
    using objects = open(path);
    requireUpToDate(objects);
    using _expedited = expedite();
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
  return open(path);
}

/**
 * Opens whatever is loaded, to be loaded anew or taken down: also an older build's, and what is loaded only in part;
 * undefined when nothing is. What running programs still have is pinned again.
 *
 * @throws DatapathError `CONFLICT` when a newer build has loaded it
 */
export function openPreviousLoad(options: HostOptions): Objects | undefined {
  const path = pinRootOf(options);
  const previous = guarded(path, () => openPrevious({ pinRoot: path }));
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
  const path = pinRootOf(options);
  using previous = openPreviousLoad(options);
  if (previous === undefined) return undefined;
  requireUpToDate(previous);
  return previous.missing().length === 0 ? openPinned({ pinRoot: path }) : loadBpf({ pinRoot: path });
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
    return guarded(path, () => openPinned({ pinRoot: path }));
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

function open(path: string): Objects {
  try {
    return guarded(path, () => openPinned({ pinRoot: path }));
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
