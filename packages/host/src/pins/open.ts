import { readdirSync } from "node:fs";
import { join } from "node:path";
import { loadBpf, type Objects, openPinned, openPrevious } from "@dp/core";
import { DatapathError, isBpffs } from "@dp/sys";
import { during } from "../during.ts";
import { type HostOptions, pinnedOptions, pinRootOf } from "../host-options.ts";
import { hasFolders, requireOwnFolders } from "./folders.ts";
import { expedite, lock } from "./lock.ts";
import { requireOwnNamespace } from "./own-namespace.ts";
import { CHECK_PIN_ROOT, lookAtRootFolder } from "./root-folder.ts";

/**
 * Runs `body` with the loaded datapath, under the pin root's lock. Errors without an op get `op`: see {@link during}.
 *
 * @throws DatapathError `NOT_LOADED` when nothing is loaded there, or it has to be loaded again, because an older build
 *   loaded it or an upgrade was not finished. `CONFLICT` when a newer build has loaded it
 */
export async function withLoaded<T>(
  options: HostOptions,
  op: string,
  body: (objects: Objects) => T | Promise<T>,
): Promise<T> {
  return during(op, async () => {
    const path = pinRootOf(options);
    if (!isBpffs(path) || !hasFolders(path)) throw notLoaded(path);
    using _lock = await lock(path, options);
    using objects = open(options);
    requireUpToDate(objects);
    using _expedited = expedite(options);
    return await body(objects);
  });
}

/** As {@link withLoaded}, without the lock, for reading. An older build's maps can be read, too. */
export function withLoadedUnlocked<T>(options: HostOptions, op: string, body: (objects: Objects) => T): T {
  return during(op, () => {
    using objects = openLoaded(options);
    return body(objects);
  });
}

/** The loaded datapath, without the lock. The caller closes it. Throws as {@link withLoaded}. */
export function openLoaded(options: HostOptions): Objects {
  const path = pinRootOf(options);
  if (!isBpffs(path)) throw notLoaded(path);
  return open(options);
}

/**
 * Opens what is loaded, to load it again or to unload it: also an older build's maps, and a load that is incomplete.
 * Undefined when nothing is loaded. Maps and programs whose pins were lost while they run are pinned again.
 *
 * @throws DatapathError `CONFLICT` when a newer build has loaded it
 */
export function openPreviousLoad(options: HostOptions): Objects | undefined {
  const path = pinRootOf(options);
  const previous = openHere(path, () => openPrevious(pinnedOptions(options)));
  if (previous === undefined || previous.needsLoad !== undefined) return previous;
  const missing = previous.missingPins();
  if (missing.length > 0) options.warn?.(`${path} is loaded only in part: ${missing.join(", ")} missing`);
  return previous;
}

/**
 * Opens what is loaded; undefined when nothing is. An incomplete load (a pin was removed by hand) is completed first.
 *
 * @throws DatapathError `NOT_LOADED` when it has to be loaded again
 */
export function openOrRepair(options: HostOptions): Objects | undefined {
  using previous = openPreviousLoad(options);
  if (previous === undefined) return undefined;
  requireUpToDate(previous);
  return previous.missingPins().length === 0 ? openPinned(pinnedOptions(options)) : loadBpf(pinnedOptions(options));
}

function requireUpToDate(objects: Objects): void {
  const { needsLoad } = objects;
  if (needsLoad === undefined) return;
  throw new DatapathError("NOT_LOADED", undefined, needsLoad, { hint: "run `dp load` first" });
}

/** Opens what is loaded, for reading; undefined when nothing is loaded, or only a part. */
export function openIfLoaded(options: HostOptions): Objects | undefined {
  try {
    const path = pinRootOf(options);
    return openHere(path, () => openPinned(pinnedOptions(options)));
  } catch (error) {
    if (error instanceof DatapathError && error.code === "NOT_LOADED") return undefined;
    throw error;
  }
}

/** Whether programs or maps of datapath are pinned there. */
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
    return openHere(path, () => openPinned(pinnedOptions(options)));
  } catch (error) {
    if (error instanceof DatapathError && error.code === "NOT_LOADED") throw notLoaded(path, error);
    throw error;
  }
}

/** Opens, and closes again in a network namespace that it was not loaded for: see {@link requireOwnNamespace}. */
function openHere<T extends Objects | undefined>(path: string, opening: () => T): T {
  requireOwnFolders(path);
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
  const reason = `datapath is not loaded at ${path}`;
  const folder = lookAtRootFolder(path);
  if (!folder.usable) {
    return new DatapathError("NOT_LOADED", undefined, `${reason}: ${folder.reason}`, { cause, hint: folder.hint });
  }
  if (folder.missing.length === 0) {
    return new DatapathError("NOT_LOADED", undefined, reason, { cause, hint: "run `dp load` first" });
  }
  const hint = `${CHECK_PIN_ROOT}, or run \`dp load\` first`;
  return new DatapathError("NOT_LOADED", undefined, `${reason}: there is no such folder`, { cause, hint });
}
