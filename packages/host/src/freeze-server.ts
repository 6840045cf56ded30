import { statSync } from "node:fs";
import { dirname } from "node:path";
import { type Objects, serverLabel, type ServerRecord } from "@dp/core";
import { Netlink } from "@dp/netlink";
import { DatapathError, type Fd, isCgroup2 } from "@dp/sys";
import { openServerNetns, processesIn } from "./container/processes.ts";
import { during } from "./during.ts";
import type { HostOptions } from "./host-options.ts";
import { cgroupFolder, cgroupOfProcess, commonCgroup } from "./kernel/cgroup.ts";
import { requirePrivileges } from "./kernel/privileges.ts";
import { type SockDestroyer, sockDestroyer } from "./kernel/sock-destroyer.ts";
import { namesOf } from "./list.ts";
import { withLoaded } from "./pins/open.ts";
import { blockName } from "./server/parts/connection-blocks.ts";
import { writeEndpoints } from "./server/parts/endpoints.ts";
import { hasHostPeer } from "./server/present.ts";
import { recoverChanges } from "./server/recover.ts";
import { checkSelector, describeSelector, requireServer, type ServerSelector } from "./server/select.ts";
import { type Server, toServer } from "./server/server.ts";
import { Transaction } from "./transaction.ts";

export interface FreezeServerOptions extends HostOptions {
  /**
   * The container's cgroup, a folder on a cgroup2 mount. Default: the deepest one that all processes in the container's
   * network namespace are in or below.
   */
  cgroup?: string | undefined;
}

/** A server that is ready for a checkpoint. All of it can be written as JSON. */
export interface FrozenServer extends Server {
  /** The folder of the cgroup whose connections are refused. */
  cgroup: string;
  /** How many sockets were destroyed this time. */
  destroyed: { tcp: number; udp: number };
}

/**
 * Makes a server ready for a checkpoint: its processes keep only listeners and unconnected sockets. Players are cut off
 * and refused. The container's own connections are cut off, and connect(2) fails with EPERM. The server stays frozen
 * until `thawServer` or `delServer`, also when this process ends.
 *
 * Freezing a frozen server destroys the connections that were made since: the host itself and servers of the same group
 * can still connect to a listener.
 *
 * It happens whole or not at all, except that destroyed sockets stay destroyed. Killed halfway, it leaves the server
 * frozen: freezing again finishes it, thawing undoes it.
 *
 * @throws DatapathError `NO_SUCH_SERVER`, `NOT_LOADED`; `UNSUPPORTED` on a kernel that can destroy sockets neither
 *   by bpf_sock_destroy (6.5) nor by sock_diag; `BAD_USAGE` for what is no cgroup; `FAILED` when the container is gone,
 *   or its cgroup cannot be told
 */
export async function freezeServer(selector: ServerSelector, options: FreezeServerOptions = {}): Promise<FrozenServer> {
  const op = `freeze ${describeSelector(selector)}`;
  during(op, () => checkSelector(selector));
  during(op, () => checkCgroup(options.cgroup));
  requirePrivileges(op);
  return withLoaded(options, op, (objects) => {
    using host = Netlink.open();
    recoverChanges(objects, host, options);
    // Temporary pins of a killed freeze may still refuse connections.
    objects.sweep();
    const record = presentServer(objects, host, selector);
    // While nothing is changed yet: a kernel that cannot leaves the server as it is.
    const destroyer = sockDestroyer(objects);
    using netns = openServerNetns(record);
    const cgroup = chooseCgroup(record, options);
    return carryOut({ destroyer, objects, host, record, netns, cgroup, options, op });
  });
}

/** A server with its container. Throws `DatapathError` `NO_SUCH_SERVER`, or `FAILED` when the container is gone. */
export function presentServer(objects: Objects, host: Netlink, selector: ServerSelector): ServerRecord {
  const record = requireServer(objects, selector);
  if (hasHostPeer(objects, record, host)) return record;
  throw new DatapathError(
    "FAILED",
    undefined,
    `the container of ${serverLabel(record)} is gone, and its interface with it`,
    {
      hint: `remove it: dp del-server ${record.name}`,
    },
  );
}

function checkCgroup(cgroup: string | undefined): void {
  if (cgroup === undefined || isCgroup2(cgroup)) return;
  throw new DatapathError("BAD_USAGE", undefined, `${cgroup} is not a folder of a cgroup2 mount`, {
    hint: "see where it is mounted: findmnt -t cgroup2",
  });
}

function chooseCgroup(record: ServerRecord, { cgroup, warn }: FreezeServerOptions): string {
  const processes = processesIn(record.netns.inode).flatMap((pid) => {
    const path = cgroupOfProcess(pid);
    return path === undefined ? [] : [{ pid, path }];
  });
  if (cgroup !== undefined) {
    const outside = processes.filter(({ path }) => !isBelow(cgroupFolder(path), cgroup));
    if (outside.length > 0) warn?.(`${list(outside)}: outside of ${cgroup}, their connections are not refused`);
    return cgroup;
  }
  const hint = `name the container's cgroup: dp freeze ${record.name} --cgroup PATH`;
  const common = commonCgroup(processes.map(({ path }) => path));
  if (common === undefined) {
    throw new DatapathError(
      "FAILED",
      undefined,
      `no process is in ${record.netns.path} to tell the container's cgroup by`,
      {
        hint,
      },
    );
  }
  if (common === "/") {
    const reason = `the processes in ${record.netns.path} have no cgroup to themselves: ${list(processes)}`;
    throw new DatapathError("FAILED", undefined, reason, { hint });
  }
  return cgroupFolder(common);
}

/** By inode numbers: a cgroup can be seen under several paths. */
function isBelow(folder: string, ancestor: string): boolean {
  const inode = (path: string) => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
  const wanted = inode(ancestor);
  for (let each = folder; isCgroup2(each); each = dirname(each)) if (inode(each) === wanted) return true;
  return false;
}

/** "process 17 in /a, process 18 in /b and 3 more" */
function list(processes: readonly { pid: number; path: string }[]): string {
  const SHOWN = 4;
  const named = processes.slice(0, SHOWN).map(({ pid, path }) => `process ${pid} in ${path}`);
  const more = processes.length > SHOWN ? ` and ${processes.length - SHOWN} more` : "";
  return `${named.join(", ")}${more}`;
}

interface Plan {
  destroyer: SockDestroyer;
  objects: Objects;
  host: Netlink;
  record: ServerRecord;
  netns: Fd;
  cgroup: string;
  options: FreezeServerOptions;
  op: string;
}

/** New connections are blocked first, then existing ones are destroyed. */
function carryOut({ destroyer, objects, host, record, netns, cgroup, options, op }: Plan): FrozenServer {
  const frozen: ServerRecord = { ...record, state: "frozen" };
  const name = blockName(record);
  return Transaction.run(op, options.onStep, (transaction) => {
    // First: after a kill, the record says which state the command was to reach.
    transaction.step(
      "record frozen",
      () => objects.records.set(frozen, "replace"),
      () => objects.records.set(record, "replace"),
    );
    transaction.step(
      "close endpoints",
      () => writeEndpoints(objects, frozen),
      () => writeEndpoints(objects, record),
    );
    transaction.step(
      "refuse IPv4 connections",
      () => objects.blockIp4Connections(cgroup, { netns, name }),
      (done) => done === "attached" && record.state !== "frozen" && objects.unblockIp4Connections({ name }),
    );
    transaction.step(
      "refuse IPv6 connections",
      () => objects.blockIp6Connections(cgroup, { netns, name }),
      (done) => done === "attached" && record.state !== "frozen" && objects.unblockIp6Connections({ name }),
    );
    const tcp = transaction.step("destroy TCP sockets", () => destroyer("tcp", netns));
    const udp = transaction.step("destroy UDP sockets", () => destroyer("udp", netns));
    return { ...toServer(frozen, true, namesOf(host)), cgroup, destroyed: { tcp, udp } };
  });
}
