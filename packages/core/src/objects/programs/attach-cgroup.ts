import { statSync } from "node:fs";
import { DatapathError, Errno, SyscallError } from "@dp/sys";
import type { CgroupAttachName } from "../../libbpf/attach-type.ts";
import { attachCgroup } from "../../libbpf/cgroup.ts";
import { Link } from "../../libbpf/link.ts";
import { pinOver, unpin } from "../../libbpf/pin.ts";
import { Program } from "../../libbpf/program.ts";
import { swapLink } from "./swap-link.ts";

/** One program on one cgroup, and the pin of its link. */
export interface CgroupPlace {
  attachType: CgroupAttachName;
  /** A folder of a cgroup2 mount. */
  cgroup: string;
  /** The pin. */
  path: string;
}

/**
 * Attaches and pins, or replaces the program of the pinned link in one step. When that is on another cgroup, the new
 * one is attached before the old one is detached: in between both run.
 */
export function upsertCgroup(program: Program, { attachType, cgroup, path }: CgroupPlace): "attached" | "updated" {
  using pinned = Link.findPin(path);
  if (pinned !== undefined && cgroupOf(pinned) === cgroupId(cgroup) && swapLink(pinned, program)) return "updated";
  // Until it is pinned the link lives as long as this descriptor: a failure to pin detaches it.
  using link = attach(program, attachType, cgroup);
  pinOver(link.fd, path);
  pinned?.detach();
  return "attached";
}

/** False when nothing is pinned there. */
export function detachCgroup(path: string): boolean {
  using link = Link.findPin(path);
  link?.detach();
  return unpin(path);
}

/** What a pinned link is on, and what it runs: both 0 when its cgroup is gone. undefined: nothing is pinned there. */
export function pinnedCgroup(path: string): { cgroupId: bigint; programId: number } | undefined {
  using link = Link.findPin(path);
  if (link === undefined) return undefined;
  const info = link.info();
  const attached = info.kind === "cgroup" && info.cgroupId !== 0n;
  return attached ? { cgroupId: info.cgroupId, programId: info.programId } : { cgroupId: 0n, programId: 0 };
}

/** The program a pinned link runs; undefined when nothing is pinned there. */
export function programOnCgroup(path: string): Program | undefined {
  using link = Link.findPin(path);
  return link === undefined ? undefined : Program.fromId(link.info().programId);
}

function attach(program: Program, attachType: CgroupAttachName, cgroup: string): Link {
  try {
    return attachCgroup({ program, cgroup, attachType });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const op = `attach ${program.name} to ${cgroup}`;
    if (error.errno === Errno.EBADF) {
      throw new DatapathError("FAILED", op, "it is not a cgroup of the v2 hierarchy", {
        cause: error,
        hint: "give a folder of a cgroup2 mount: grep cgroup2 /proc/mounts",
      });
    }
    if (error.errno === Errno.EPERM) {
      throw new DatapathError(
        "CONFLICT",
        op,
        "the kernel refuses it: no privileges, or a program on this cgroup was attached without BPF_F_ALLOW_MULTI",
        {
          cause: error,
          hint: `see: bpftool cgroup show ${cgroup} effective`,
        },
      );
    }
    throw error;
  }
}

/** A cgroup's id is the inode number of its folder. */
function cgroupId(folder: string): bigint {
  return statSync(folder, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
}

function cgroupOf(link: Link): bigint {
  const info = link.info();
  return info.kind === "cgroup" ? info.cgroupId : 0n;
}
