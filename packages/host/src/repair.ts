import type { Objects } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { isBpffs } from "@dp/sys";
import { during } from "./during.ts";
import { pinRootOf } from "./host-options.ts";
import { deleteGuardRule } from "./kernel/guard-rule.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { namesOf } from "./list.ts";
import { withLock } from "./pins/lock.ts";
import { openIfLoaded, openOrRepair, openPreviousLoad } from "./pins/open.ts";
import type { Finding } from "./repair/finding.ts";
import { inspect } from "./repair/inspect.ts";
import { pinsMissing } from "./repair/pins-missing.ts";
import type { Remedy } from "./repair/problem.ts";
import { type PutRight, putRight } from "./repair/put-right.ts";
import { inspectStrayInterfaces } from "./repair/stray-interfaces.ts";
import { View, type ViewOptions } from "./repair/view.ts";
import { type Server, toServer } from "./server/server.ts";
import { tidyRecords } from "./server/tidy-records.ts";

/** How far to go. */
export interface RepairOptions extends ViewOptions {
  /** Only say what would be done. Default false. */
  dryRun?: boolean | undefined;
}

/** All of it can be written as JSON. */
export interface RepairResult {
  pinRoot: string;
  dryRun: boolean;
  /** The servers that were removed, as they were. */
  removedServers: Server[];
  /** The orphans and leftovers that were removed. */
  removed: Finding[];
  /** What was repaired. */
  repaired: Finding[];
  /** What could not be put right here: each says what to do. */
  remaining: Finding[];
}

const OP = "repair";

/**
 * Removes servers whose container is gone, leftovers and orphans, and repairs the rest: afterwards exactly the recorded
 * servers are there, whole. Done again, it does nothing. Players of a server that is there notice nothing.
 *
 * It works on a host where nothing is loaded, too: there are no records then, and every host peer is an orphan.
 *
 * @throws DatapathError `UNSUPPORTED` without the privileges
 */
export async function repair(options: RepairOptions = {}): Promise<RepairResult> {
  requirePrivileges(OP);
  const pinRoot = pinRootOf(options);
  if (!isBpffs(pinRoot)) return removeStrays(options);
  return withLock(options, () => (options.dryRun ? preview(options) : repairAll(options)));
}

function repairAll(options: RepairOptions): RepairResult {
  const unfinished = takeDownUnfinished(options);
  using objects = during(OP, () => openOrRepair(options));
  if (objects === undefined) return removeStrays(options, unfinished);
  objects.sweep();
  tidyRecords(objects, options);
  return repairLoaded(objects, options);
}

function preview(options: RepairOptions): RepairResult {
  using objects = openIfLoaded(options);
  return objects === undefined
    ? removeStrays(options, pinsMissing(pinRootOf(options)))
    : repairLoaded(objects, options);
}

function repairLoaded(objects: Objects, options: RepairOptions): RepairResult {
  using netlink = Netlink.open();
  return report(
    options,
    putRight(() => inspect(new View(objects, netlink, options)), options),
  );
}

/** @param pins what was wrong with the pins: removed by now, unless this is a dry run */
function removeStrays(options: RepairOptions, pins: readonly Finding[] = []): RepairResult {
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
 * Removes what a killed first load or unload left: no server, and no configuration, which a load sets last and an
 * unload clears first.
 */
function takeDownUnfinished(options: RepairOptions): Finding[] {
  using objects = openPreviousLoad({ ...options, warn: undefined });
  if (objects === undefined || objects.config.get() !== undefined || objects.records.all().length > 0) return [];
  options.onStep?.("remove what a killed load or unload left");
  objects.unpinAll();
  deleteGuardRule(pinRootOf(options));
  const what = `pins under ${pinRootOf(options)} were left by a load or an unload that was killed`;
  return [{ code: "load-unfinished", severity: "error", what, fix: "dp repair, or dp load" }];
}

function report(options: RepairOptions, { done, remaining }: PutRight): RepairResult {
  using netlink = Netlink.open();
  const uplinkName = namesOf(netlink);
  const of = (kind: Remedy["kind"]) =>
    done.filter(({ remedy }) => remedy?.kind === kind && remedy.removes === undefined).map(({ finding }) => finding);
  return {
    pinRoot: pinRootOf(options),
    dryRun: options.dryRun ?? false,
    removedServers: done.flatMap(({ remedy }) =>
      remedy?.removes === undefined ? [] : toServer(remedy.removes, false, uplinkName),
    ),
    removed: of("remove"),
    repaired: of("repair"),
    remaining,
  };
}
