import type { ServerRecord } from "@dp/core";
import { adoptFilters } from "@dp/core/internal";
import { Netlink } from "@dp/netlink";
import { isBpffs } from "@dp/sys";
import { pinRootOf } from "./host-options.ts";
import { ephemeralRange, overlap, type PortRange } from "./kernel/ephemeral-range.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { carryOut } from "./load/carry-out.ts";
import { checkOptions } from "./load/check-options.ts";
import { warnOfMechanism } from "./load/mechanism.ts";
import { type LoadOptions, OP } from "./load/options.ts";
import { planLoad } from "./load/plan.ts";
import type { LoadResult } from "./load/result.ts";
import { unpinnedFilters } from "./pins/adopt-filters.ts";
import { hasPins, openIfLoaded, openPreviousLoad } from "./pins/open.ts";
import { withPreparedPinRoot } from "./pins/prepare.ts";
import { inspect } from "./repair/inspect.ts";
import { putRight } from "./repair/put-right.ts";
import { Scene } from "./repair/scene.ts";
import { inspectStrayInterfaces } from "./repair/stray-interfaces.ts";
import { recoverServers } from "./server/remove.ts";
import { tidyRecords } from "./server/tidy-records.ts";

/**
 * Loads the programs, pins them, and attaches them to the uplinks. On a host that is loaded already it is an upgrade in
 * place: servers stay, and no packet of theirs is lost.
 *
 * @throws DatapathError `BAD_USAGE` for values that cannot be (before anything is changed), `CONFLICT` for what present
 *   servers rule out, `UNSUPPORTED` when the kernel, the machine or the privileges lack something. After any error the
 *   host is as it was: a first load leaves nothing, a later one the old running.
 */
export async function load(options: LoadOptions = {}): Promise<LoadResult> {
  checkOptions(options);
  requirePrivileges(OP);
  using netlink = Netlink.open();
  // A root that is not loaded yet is not even made when there is something wrong with the options.
  if (!isBpffs(pinRootOf(options)) && unpinnedFilters(netlink).length === 0) {
    clearStrayInterfaces(netlink, [], options);
    planLoad(netlink, undefined, options);
  }
  return await withPreparedPinRoot(options, OP, () => {
    takeOverFilters(netlink, options);
    using previous = openPreviousLoad(options);
    if (previous !== undefined) recoverServers(previous, netlink, previous.netData(), options);
    clearStrayInterfaces(netlink, previous?.netData() ?? [], options);
    if (previous !== undefined) warnOfMechanism(previous, options);
    const plan = planLoad(netlink, previous, options);
    if (options.portRange !== undefined) warnOfEphemeralPorts(options.portRange, options);
    const loaded = carryOut(plan, netlink, previous, options);
    return { ...loaded, ...mendServers(netlink, options) };
  });
}

/**
 * Where the bpffs was unmounted, and what was on it is gone, servers' interfaces are left without their programs and
 * records. They are of no use, and their addresses would be in the way.
 */
function clearStrayInterfaces(netlink: Netlink, records: readonly ServerRecord[], options: LoadOptions): void {
  const { done } = putRight(() => inspectStrayInterfaces(netlink, netlink.links(), records), options);
  for (const { finding } of done) options.warn?.(`removed: ${finding.what}`);
}

/** Where the bpffs was unmounted under clsact filters, they are what is loaded. */
function takeOverFilters(netlink: Netlink, options: LoadOptions): void {
  const pinRoot = pinRootOf(options);
  const filters = hasPins(pinRoot) ? [] : unpinnedFilters(netlink);
  if (filters.length === 0) return;
  options.warn?.(`the pins under ${pinRoot} were lost; what goes on working without them is taken over`);
  adoptFilters(pinRoot, filters);
}

/** What is loaded is right by then; this is for what is around it: routes, addresses, entries that were lost. */
function mendServers(netlink: Netlink, options: LoadOptions): Pick<LoadResult, "mended" | "remaining"> {
  using objects = openIfLoaded(options);
  if (objects === undefined) return { mended: [], remaining: [] };
  tidyRecords(objects, options);
  const look = () => inspect(new Scene(objects, netlink, options));
  const { done, remaining } = putRight(look, { ...options, only: "mend" });
  return { mended: done.map(({ finding }) => finding), remaining };
}

function warnOfEphemeralPorts(range: PortRange, { warn }: LoadOptions): void {
  const shared = overlap(range, ephemeralRange());
  if (shared === undefined) return;
  warn?.(
    `the host's own connections use the ports ${shared.join("-")} (net.ipv4.ip_local_port_range): "auto" leaves them out`,
  );
}
