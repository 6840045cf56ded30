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
import { type RemedyResult, applyRemedies } from "./repair/apply-remedies.ts";
import type { Finding } from "./repair/finding.ts";
import { inspect } from "./repair/inspect.ts";
import { pinsMissing } from "./repair/pins-missing.ts";
import type { Remedy } from "./repair/problem.ts";
import { inspectStrayInterfaces } from "./repair/stray-interfaces.ts";
import { View, type ViewOptions } from "./repair/view.ts";
import { type Server, toServer } from "./server/server.ts";
import { tidyRecords } from "./server/tidy-records.ts";

/** What is repaired. */
export interface RepairOptions extends ViewOptions {
  /** Only report what would be done. Default false. */
  dryRun?: boolean | undefined;
}

/** What was repaired. Contains only JSON values. */
export interface RepairResult {
  pinRoot: string;
  dryRun: boolean;
  /** The servers that were removed, as they were before. */
  removedServers: Server[];
  /** The orphans and leftovers that were removed. */
  removed: Finding[];
  /** What was repaired. */
  repaired: Finding[];
  /** What could not be repaired: the `fix` of each says what to do. */
  remaining: Finding[];
}

const OP = "repair";

/**
 * Removes servers whose container is gone, leftovers and orphans, and repairs the rest. Afterwards the state of the
 * kernel matches the records. Repeated, it does nothing. Players of the other servers stay connected.
 *
 * It also works when nothing is loaded: then there are no records, and all host peers are stray interfaces.
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
    applyRemedies(() => inspect(new View(objects, netlink, options)), options),
  );
}

/** @param pins findings about the pins, which were removed before, unless this is a dry run */
function removeStrays(options: RepairOptions, pins: readonly Finding[] = []): RepairResult {
  using netlink = Netlink.open();
  const result = report(
    options,
    applyRemedies(() => inspectStrayInterfaces(netlink, netlink.links(), []), options),
  );
  const place = options.dryRun ? result.remaining : result.removed;
  place.unshift(...pins);
  return result;
}

/**
 * Removes the pins that a killed first load or unload left. A load sets the configuration last and an unload clears it
 * first, so these pins have neither a configuration nor servers.
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

function report(options: RepairOptions, { done, remaining }: RemedyResult): RepairResult {
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
