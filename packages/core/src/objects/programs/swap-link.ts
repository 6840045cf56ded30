import { Errno, SyscallError } from "@dp/sys";
import type { Link } from "../../libbpf/link.ts";
import type { Program } from "../../libbpf/program.ts";

/** Gives a link another program. False when the interface or the cgroup it is on was removed meanwhile. */
export function swapLink(link: Link, program: Program): boolean {
  try {
    link.update(program);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOLINK) return false;
    throw error;
  }
}
