import type { Objects } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { isBpffs } from "@dp/sys";
import { during } from "./during.ts";
import { pinRootOf } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { withLock } from "./pins/lock.ts";
import { openIfLoaded, openOrRepair, openPreviousLoad } from "./pins/open.ts";
import type { Finding } from "./repair/finding.ts";
import { inspect } from "./repair/inspect.ts";
import { pinsMissing } from "./repair/pins-missing.ts";
import type { Remedy } from "./repair/problem.ts";
import { type PutRight, putRight } from "./repair/put-right.ts";
import { Scene, type SceneOptions } from "./repair/scene.ts";
import { inspectStrayInterfaces } from "./repair/stray-interfaces.ts";
import { type Server, toServer } from "./server/server.ts";
import { tidyRecords } from "./server/tidy-records.ts";

/** How far to go. */
export interface GcOptions extends SceneOptions {
  /** Only say what would be done. Default false. */
  dryRun?: boolean | undefined;
}

/** All of it can be written as JSON. */
export interface GcResult {
  pinRoot: string;
  dryRun: boolean;
  /** The servers that were taken out, as they were. */
  collected: Server[];
  /** Orphans that were removed. */
  removed: Finding[];
  /** What was given back to servers that are alive. */
  mended: Finding[];
  /** What could not be put right here: each says who can. */
  remaining: Finding[];
}

const OP = "collect";

/**
 * Takes out what died or was left half done, and gives what is alive what it lacks: afterwards there are exactly the
 * committed servers, whole. Done again, it does nothing. Players of a server that is alive notice nothing.
 *
 * It also works on a host where nothing is loaded: without records, every interface that looks like a host peer is an
 * orphan.
 *
 * @throws DatapathError `UNSUPPORTED` without the privileges
 */
export async function gc(options: GcOptions = {}): Promise<GcResult> {
  requirePrivileges(OP);
  const pinRoot = pinRootOf(options);
  if (!isBpffs(pinRoot)) return collectStrays(options);
  return withLock(options, () => (options.dryRun ? preview(options) : collectAll(options)));
}

function collectAll(options: GcOptions): GcResult {
  const unfinished = takeDownUnfinished(options);
  using objects = during(OP, () => openOrRepair(options));
  if (objects === undefined) return collectStrays(options, unfinished);
  objects.sweep();
  tidyRecords(objects, options);
  return collect(objects, options);
}

function preview(options: GcOptions): GcResult {
  using objects = openIfLoaded(options);
  return objects === undefined ? collectStrays(options, pinsMissing(pinRootOf(options))) : collect(objects, options);
}

function collect(objects: Objects, options: GcOptions): GcResult {
  using netlink = Netlink.open();
  return report(
    options,
    putRight(() => inspect(new Scene(objects, netlink, options)), options),
  );
}

/** @param pins what was found wrong with what is pinned: removed by now, but in a dry run */
function collectStrays(options: GcOptions, pins: readonly Finding[] = []): GcResult {
  using netlink = Netlink.open();
  const result = report(
    options,
    putRight(() => inspectStrayInterfaces(netlink, netlink.links(), []), options),
  );
  const place = options.dryRun ? result.remaining : result.removed;
  place.unshift(...pins);
  return result;
}

/**
 * What a first load or an unload leaves that was killed: no server, and no configuration, which a load sets last and an
 * unload takes away first.
 */
function takeDownUnfinished(options: GcOptions): Finding[] {
  using objects = openPreviousLoad({ ...options, warn: undefined });
  if (objects === undefined || objects.config() !== undefined || objects.netData().length > 0) return [];
  options.onStep?.("take down what a load or unload has left");
  objects.unpinAll();
  const what = `there were pins under ${pinRootOf(options)} of a load or an unload that was killed, and no servers`;
  return [{ code: "load-unfinished", severity: "error", what, fix: "dp gc, or dp load" }];
}

function report(options: GcOptions, { done, remaining }: PutRight): GcResult {
  const of = (kind: Remedy["kind"]) =>
    done.filter(({ remedy }) => remedy?.kind === kind && remedy.removes === undefined).map(({ finding }) => finding);
  return {
    pinRoot: pinRootOf(options),
    dryRun: options.dryRun ?? false,
    collected: done.flatMap(({ remedy }) => (remedy?.removes === undefined ? [] : toServer(remedy.removes, undefined))),
    removed: of("collect"),
    mended: of("mend"),
    remaining,
  };
}
