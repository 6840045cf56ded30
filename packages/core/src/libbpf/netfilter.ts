/** Programs on netfilter's hooks (Linux 6.4+). */
import { Fd } from "@dp/sys";
import { bpfSyscall } from "../ffi/libc.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import { BPF_NETFILTER } from "./attach-type.ts";
import { callError } from "./errors.ts";
import { Link } from "./link.ts";
import type { OpenProgram } from "./open-parts.ts";
import type { Program } from "./program.ts";

const BPF_PROG_TYPE_NETFILTER = 32;
// bpf(2) itself: bpf_link_create of libbpf 1.1 does not know of it.
const BPF_LINK_CREATE = 28;

/** union bpf_attr, link_create with its netfilter member (linux/bpf.h of 6.4). */
export const NETFILTER_LINK_CREATE = struct("bpf_attr", {
  prog_fd: "u32",
  target_fd: "u32",
  attach_type: "u32",
  flags: "u32",
  pf: "u32",
  hooknum: "u32",
  priority: "i32",
  netfilter_flags: "u32",
});

/** enum nf_inet_hooks. */
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
/** A hook of netfilter. */
export type NetfilterHook = keyof typeof HOOKS;

/** NFPROTO_*. */
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;

/** The program and its hook. */
export interface AttachNetfilterOptions {
  /** Of type BPF_PROG_TYPE_NETFILTER; see {@link setNetfilterType}. */
  program: Program;
  family: keyof typeof FAMILIES;
  hook: NetfilterHook;
  /** Programs and rules of a hook run in ascending order. Those of two BPF programs differ. */
  priority: number;
}

/** For SEC("netfilter"), which libbpf knows from 1.3 on. Throws once the object is loaded or closed. */
export function setNetfilterType(program: OpenProgram): void {
  program.setType(BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER);
}

/**
 * Attaches a program to a hook of the calling thread's network namespace (BPF_LINK_CREATE).
 *
 * Throws `SyscallError`: EBUSY when another program has that priority there, EINVAL from a kernel without such links,
 * ERANGE for the lowest and the highest priority there is.
 */
export function attachNetfilter({ program, family, hook, priority }: AttachNetfilterOptions): Link {
  using attr = new NativeStruct(NETFILTER_LINK_CREATE, {
    prog_fd: program.fd,
    attach_type: BPF_NETFILTER,
    pf: FAMILIES[family],
    hooknum: HOOKS[hook],
    priority,
  });
  const result = bpfSyscall(BPF_LINK_CREATE, attr.bytes);
  if (result >= 0) return new Link(new Fd(result));
  throw callError(result, { op: `attach ${program.name} to ${hook} of ${family}`, call: "BPF_LINK_CREATE" });
}
