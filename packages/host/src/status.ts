import { type Objects, pinnedRecords, type ServerRecord, type ServerState, type Settings } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { isBpffs } from "@dp/sys";
import { type HostOptions, pinRootOf } from "./host-options.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import type { UplinkInfo } from "./load/result.ts";
import { withLock } from "./pins/lock.ts";
import { openIfLoaded } from "./pins/open.ts";
import { type Finding, isHealthy } from "./repair/finding.ts";
import { inspect } from "./repair/inspect.ts";
import { pinsMissing } from "./repair/pins-missing.ts";
import { inspectStrayInterfaces } from "./repair/stray-interfaces.ts";
import { View } from "./repair/view.ts";

/** All of it can be written as JSON. */
export interface Status {
  loaded: boolean;
  /** Loaded, and nothing is wrong that keeps traffic from where it belongs, or lets it go where it does not. */
  healthy: boolean;
  pinRoot: string;
  /** How programs are attached; null when nothing is loaded. */
  mechanism: "tcx" | "clsact" | null;
  /** Those that are there. */
  uplinks: UplinkInfo[];
  /** The default public address of each family; null when nothing is loaded. */
  publicAddresses: Settings["publicAddresses"] | null;
  /** The number of servers, by the state in their records. */
  servers: { total: number; active: number; frozen: number; pending: number };
  /** Packets that were dropped, of all servers and of no server, by reason. */
  drops: Record<string, number>;
  findings: Finding[];
}

const OP = "status";

/**
 * One look at everything: what is loaded, what is there, and how the two differ. It waits for a change that is under
 * way, and changes nothing.
 * Throws `DatapathError`: `UNSUPPORTED` without the privileges, `BUSY` when a change takes longer than the wait.
 */
export async function status(options: HostOptions = {}): Promise<Status> {
  requirePrivileges(OP);
  const pinRoot = pinRootOf(options);
  if (!isBpffs(pinRoot)) return notLoaded(options);
  return withLock(options, () => {
    using objects = openIfLoaded(options);
    return objects === undefined ? notLoaded(options) : look(objects, options);
  });
}

function look(objects: Objects, options: HostOptions): Status {
  using netlink = Netlink.open();
  const view = new View(objects, netlink, options);
  const findings = inspect(view).map(({ finding }) => finding);
  return {
    loaded: true,
    healthy: isHealthy(findings),
    pinRoot: pinRootOf(options),
    mechanism: objects.attachments.mechanism,
    uplinks: view.uplinks.map(({ name, index, mac }) => ({ name, ifindex: index, mac })),
    publicAddresses: view.settings?.publicAddresses ?? null,
    servers: count(view.records),
    drops: sumDrops(objects, view.counted),
    findings,
  };
}

function notLoaded(options: HostOptions): Status {
  const pinRoot = pinRootOf(options);
  const records = recordsOf(pinRoot);
  using netlink = Netlink.open();
  const strays = inspectStrayInterfaces(netlink, netlink.links(), records ?? []).map(({ finding }) => finding);
  const status = {
    healthy: false,
    pinRoot,
    mechanism: null,
    uplinks: [],
    publicAddresses: null,
    servers: count(records ?? []),
    drops: {},
  };
  const missing = pinsMissing(pinRoot);
  return { ...status, loaded: missing.length > 0, findings: [...missing, ...strays] };
}

/** undefined when they are among what is missing. */
function recordsOf(pinRoot: string): ServerRecord[] | undefined {
  try {
    return pinnedRecords(pinRoot);
  } catch {
    return undefined;
  }
}

function count(records: readonly ServerRecord[]): Status["servers"] {
  const of = (state: ServerState) => records.filter((record) => record.state === state).length;
  return { total: records.length, active: of("active"), frozen: of("frozen"), pending: of("pending") };
}

function sumDrops(objects: Objects, ids: Iterable<number>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const id of [NO_SERVER, ...ids]) {
    for (const [reason, packets] of Object.entries(objects.drops.read(id) ?? {})) {
      if (packets > 0n) sums[reason] = (sums[reason] ?? 0) + Number(packets);
    }
  }
  return sums;
}

/** The id that drops of no server are counted under. */
const NO_SERVER = 0;
