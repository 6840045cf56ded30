/** Links on the hooks of a cgroup (cgroup v2). */
import { beforeChange, Fd, O_DIRECTORY, O_RDONLY, open } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { CgroupAttachType, type CgroupAttachName } from "./attach-type.ts";
import { check } from "./errors.ts";
import { Link } from "./link.ts";
import type { Program } from "./program.ts";

/** Which program goes where. */
export interface AttachCgroupOptions {
  /** Of the type the hook takes: SEC("cgroup/connect4") and its like. */
  program: Program;
  /** A folder on a cgroup2 mount, by path or open. The program sees the sockets of it and of all below. */
  cgroup: string | Fd;
  attachType: CgroupAttachName;
}

/**
 * Attaches a program to a cgroup (BPF_LINK_CREATE). Others on the same hook stay, and run too.
 *
 * Throws `SyscallError`: ENOENT for a path that is not there, EBADF for a folder that is no cgroup, EINVAL for a
 * program of another type.
 */
export function attachCgroup(options: AttachCgroupOptions): Link {
  const { program, cgroup, attachType } = options;
  const name = typeof cgroup === "string" ? cgroup : "a cgroup";
  const op = `attach ${program.name} to ${name}`;
  const folder = typeof cgroup === "string" ? open(cgroup, O_RDONLY | O_DIRECTORY, op) : undefined;
  try {
    const target = folder ?? (cgroup as Fd);
    beforeChange("attach to", name);
    // SAFETY: no pointers but NULL; the kernel takes its own reference to program and cgroup.
    const result = libbpf.linkCreate(program.fd, target.number, CgroupAttachType[attachType], null);
    return new Link(new Fd(check(result, { op, call: "bpf_link_create", target: name })));
  } finally {
    folder?.close();
  }
}
