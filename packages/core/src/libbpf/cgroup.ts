/** Links on the hooks of a cgroup (cgroup v2). */
import { Errno, Fd, O_DIRECTORY, O_RDONLY, open } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { libbpf } from "../ffi/libbpf.ts";
import { bpfSyscall } from "../ffi/libc.ts";
import { NativeStruct } from "../ffi/native-struct.ts";
import { CgroupAttachType, type CgroupAttachName } from "./attach-type.ts";
import { check } from "./errors.ts";
import { Link } from "./link.ts";
import type { Program } from "./program.ts";
import { BPF_PROG_QUERY, TCX_QUERY } from "./tcx.ts";

/** The program and its hook. */
export interface AttachCgroupOptions {
  /** Of the type the hook takes: SEC("cgroup/connect4") and its like. */
  program: Program;
  /** A folder on a cgroup2 mount, by path or open. The program sees the sockets of it and of all below. */
  cgroup: string | Fd;
  attachType: CgroupAttachName;
}

/**
 * Attaches a program to a cgroup (BPF_LINK_CREATE). Other programs on the hook stay and run, too.
 *
 * Throws `SyscallError`: ENOENT for a missing folder, EBADF for a folder that is not a cgroup, EINVAL for a program
 * of another type.
 */
export function attachCgroup(options: AttachCgroupOptions): Link {
  const { program, cgroup, attachType } = options;
  const name = nameOf(cgroup);
  const op = `attach ${program.name} to ${name}`;
  return withFolder(cgroup, op, (folder) => {
    beforeChange("attach to", name);
    // SAFETY: no pointers but NULL; the kernel takes its own reference to program and cgroup.
    const result = libbpf.linkCreate(program.fd, folder.number, CgroupAttachType[attachType], null);
    const hint = hintFor(-result, attachType);
    return new Link(new Fd(check(result, { op, call: "bpf_link_create", target: name, hint })));
  });
}

function hintFor(errno: number, attachType: CgroupAttachName): string | undefined {
  if (errno === Errno.EBADF) return "it is not a cgroup: `findmnt -t cgroup2` shows where those are";
  if (errno !== Errno.EINVAL) return undefined;
  return `is it a program for ${attachType}? Its SEC() says what it is for, as in SEC("cgroup/connect4")`;
}

/** Which of a cgroup's programs. */
export interface QueryCgroupOptions {
  /** A folder on a cgroup2 mount, by path or open. */
  cgroup: string | Fd;
  attachType: CgroupAttachName;
  /** Also those of the cgroups above, which run for this one too. */
  effective?: boolean;
}

const BPF_F_QUERY_EFFECTIVE = 1;

/** The ids of the programs on a cgroup's hook, in the order they run (BPF_PROG_QUERY). Throws `SyscallError`. */
export function queryCgroup({ cgroup, attachType, effective = false }: QueryCgroupOptions): number[] {
  const name = nameOf(cgroup);
  const op = `list the programs on ${attachType} of ${name}`;
  return withFolder(cgroup, op, (folder) => {
    // The kernel says how many there are when there is too little room for them.
    for (let room = 64; ; room *= 2) {
      const programs = new Uint32Array(room);
      using attr = new NativeStruct(TCX_QUERY, {
        target_ifindex: folder.number,
        attach_type: CgroupAttachType[attachType],
        query_flags: effective ? BPF_F_QUERY_EFFECTIVE : 0,
        prog_ids: new Uint8Array(programs.buffer),
        count: room,
      });
      const result = bpfSyscall(BPF_PROG_QUERY, attr.bytes);
      if (result === -Errno.ENOSPC) continue;
      check(result, { op, call: "BPF_PROG_QUERY", target: name });
      return [...programs.subarray(0, attr.get("count"))];
    }
  });
}

function nameOf(cgroup: string | Fd): string {
  return typeof cgroup === "string" ? cgroup : "a cgroup";
}

function withFolder<T>(cgroup: string | Fd, op: string, body: (folder: Fd) => T): T {
  if (typeof cgroup !== "string") return body(cgroup);
  using folder = open(cgroup, O_RDONLY | O_DIRECTORY, op);
  return body(folder);
}
