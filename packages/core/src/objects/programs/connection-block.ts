/** Refusing new connections of a container, by a program on its cgroup. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { DatapathError, type Fd, isCgroup2, netnsCookie } from "@dp/sys";
import { u64 } from "../../libbpf/codec.ts";
import type { BpfObject } from "../../libbpf/object.ts";
import { detachCgroup, pinnedCgroup, upsertCgroup } from "./attach-cgroup.ts";
import { loadObject } from "./load-object.ts";
import type { PinRoot } from "./pin-root.ts";
import { type BlockRow, functionName, programRow } from "./program-table.ts";

/** Whose connections are refused, and under which name that is remembered. */
export interface BlockOptions {
  /** Only those of sockets in this network namespace. Default: of all processes in the cgroup. */
  netns?: Fd;
  /**
   * Ends the name of the pin: `progs/dp_block_connect4_NAME`. Letters, digits, "_", ":", "-". Default: the cgroup's id,
   * the inode number of its folder.
   */
  name?: string;
}

/** Which block: that of a cgroup, or that of a name. */
export type BlockSelector = string | { name: string };

export type IpVersion = 4 | 6;

/** Connections that are refused. */
export interface ConnectionBlock {
  ipVersion: IpVersion;
  name: string;
  /** The inode number of the cgroup's folder; 0 when the cgroup is gone. */
  cgroupId: bigint;
  /** The pin that keeps it. */
  path: string;
}

const IP_VERSIONS = [4, 6] as const;

function rowOf(ipVersion: IpVersion): BlockRow {
  return programRow(`block_connect${ipVersion}`);
}

function pinPath(root: PinRoot, ipVersion: IpVersion, name: string): string {
  if (!/^[A-Za-z0-9_:-]+$/.test(name)) {
    throw new DatapathError(
      "BAD_USAGE",
      "name a block",
      `${JSON.stringify(name)} has other characters than A-Za-z0-9_:-`,
    );
  }
  return join(root.progs, `${functionName(rowOf(ipVersion).name)}_${name}`);
}

/** An upsert: one that is there gets the new program, or, on another cgroup than this, moves to this. */
export function block(
  root: PinRoot,
  ipVersion: IpVersion,
  cgroup: string,
  options: BlockOptions,
): "attached" | "updated" {
  const id = cgroupId(cgroup, `refuse IPv${ipVersion} connections of ${cgroup}`);
  const path = pinPath(root, ipVersion, options.name ?? `${id}`);
  const row = rowOf(ipVersion);
  using object = loadBlock(row, options.netns);
  return upsertCgroup(object.program(functionName(row.name)), { attachType: row.attachType, cgroup, path });
}

/** Detaches and unpins. False when there was none. */
export function unblock(root: PinRoot, ipVersion: IpVersion, selector: BlockSelector): boolean {
  return detachCgroup(pinPath(root, ipVersion, nameOf(selector, `allow IPv${ipVersion} connections`)));
}

/** All blocks that are pinned. */
export function blocks(root: PinRoot): ConnectionBlock[] {
  return root.pins().progs.flatMap((path) =>
    IP_VERSIONS.flatMap((ipVersion) => {
      const prefix = `${functionName(rowOf(ipVersion).name)}_`;
      const file = basename(path);
      const cgroup = file.startsWith(prefix) ? pinnedCgroup(path) : undefined;
      if (cgroup === undefined) return [];
      return [{ ipVersion, name: file.slice(prefix.length), cgroupId: cgroup.cgroupId, path }];
    }),
  );
}

function loadBlock(row: BlockRow, netns: Fd | undefined): BpfObject {
  return loadObject(row.object, {
    programs: [row.name],
    prepare(open) {
      if (netns !== undefined) open.setVariable("dp_netns_cookie", u64, netnsCookie(netns));
    },
  });
}

function nameOf(selector: BlockSelector, op: string): string {
  return typeof selector === "string" ? `${cgroupId(selector, op)}` : selector.name;
}

/** The kernel's number of a cgroup, never given out twice. */
function cgroupId(path: string, op: string): bigint {
  if (isCgroup2(path)) {
    const folder = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (folder?.isDirectory() === true) return folder.ino;
  }
  throw new DatapathError("BAD_USAGE", op, `${path} is not a folder of a cgroup2 mount`, {
    hint: "see where it is mounted: findmnt -t cgroup2",
  });
}
