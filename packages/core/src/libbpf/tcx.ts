/** TCX: links on an interface's TC hooks, with an order (Linux 6.6+). */
import { Errno, Fd, UnsupportedError } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { bpfSyscall } from "../ffi/libc.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import { BPF_TCX_EGRESS, BPF_TCX_INGRESS, type Direction, numberOf } from "./attach-type.ts";
import { callError, check } from "./errors.ts";
import { hasTcx } from "./feature.ts";
import { Link } from "./link.ts";
import type { Program } from "./program.ts";

// bpf(2) itself, and not bpf_link_create: the opts of libbpf 1.1 have no place in the order, and newer versions need
// other opts. The kernel takes the same bytes either way.
export const BPF_PROG_QUERY = 16;
export const BPF_LINK_CREATE = 28;

/** union bpf_attr, link_create with its tcx member (linux/bpf.h of 6.6). */
export const TCX_LINK_CREATE = struct("bpf_attr", {
  prog_fd: "u32",
  target_ifindex: "u32",
  attach_type: "u32",
  flags: "u32",
  relative_fd_or_id: "u32",
  expected_revision: "u64",
});

/** union bpf_attr, query (linux/bpf.h of 6.6). */
export const TCX_QUERY = struct("bpf_attr", {
  target_ifindex: "u32",
  attach_type: "u32",
  query_flags: "u32",
  attach_flags: "u32",
  prog_ids: "pointer",
  count: "u32",
  prog_attach_flags: "pointer",
  link_ids: "pointer",
  link_attach_flags: "pointer",
  revision: "u64",
});

const BPF_F_BEFORE = 1 << 3;
const BPF_F_AFTER = 1 << 4;
const BPF_F_LINK = 1 << 13;

/** A place in the order programs of one hook run in. Those attached without a place come last. */
export type TcxPosition = "first" | "last" | { before: Program | Link } | { after: Program | Link };

/** The program and its hook. */
export interface AttachTcxOptions {
  /** Of type BPF_PROG_TYPE_SCHED_CLS: SEC("tc"). */
  program: Program;
  /** In the calling thread's network namespace. */
  ifindex: number;
  direction: Direction;
  /** Default "last". */
  position?: TcxPosition;
  /** Fails with ESTALE unless the hook is at this revision, which {@link queryTcx} returns. */
  expectedRevision?: bigint;
}

/**
 * Attaches a program to a TC hook (BPF_LINK_CREATE).
 *
 * Throws `UnsupportedError` on a kernel without TCX; `SyscallError`: ENODEV without such an interface, EEXIST when the
 * same program is there already, ENOENT when the program to attach beside is not, ESTALE for another revision.
 */
export function attachTcx(options: AttachTcxOptions): Link {
  const { program, ifindex, direction, position = "last", expectedRevision } = options;
  const { flags, relative } = place(position);
  using attr = new NativeStruct(TCX_LINK_CREATE, {
    prog_fd: program.fd,
    target_ifindex: ifindex,
    attach_type: numberOf(direction, ATTACH_TYPE),
    flags,
    relative_fd_or_id: relative?.fd,
    expected_revision: expectedRevision,
  });
  beforeChange("attach to", ifindex);
  const result = bpfSyscall(BPF_LINK_CREATE, attr.bytes);
  if (result >= 0) return new Link(new Fd(result));
  const op = `attach ${program.name} to the ${direction} of interface ${ifindex}`;
  // A kernel without TCX answers EINVAL, which also has other causes: the probe tells them apart.
  if (result === -Errno.EINVAL && !hasTcx()) throw tcxMissing(op);
  throw callError(result, { op, call: "BPF_LINK_CREATE", ...explain(result) });
}

function tcxMissing(op: string): UnsupportedError {
  return new UnsupportedError("TCX links", "run Linux 6.6 or newer", { op, reason: "this kernel has no TCX links" });
}

function explain(result: number): { text?: string } {
  switch (-result) {
    case Errno.ENODEV:
      return { text: "no such interface" };
    case Errno.EEXIST:
      return { text: "the program is attached there already" };
    case Errno.ESTALE:
      return { text: "the programs on that hook have changed meanwhile" };
    default:
      return {};
  }
}

function place(position: TcxPosition): { flags: number; relative?: Program | Link } {
  if (position === "first") return { flags: BPF_F_BEFORE };
  if (position === "last") return { flags: BPF_F_AFTER };
  const [flag, relative] = "before" in position ? [BPF_F_BEFORE, position.before] : [BPF_F_AFTER, position.after];
  return { flags: flag | (relative instanceof Link ? BPF_F_LINK : 0), relative };
}

const ATTACH_TYPE = { ingress: BPF_TCX_INGRESS, egress: BPF_TCX_EGRESS } as const;

/** A program on a hook. */
export interface TcxEntry {
  programId: number;
  /** undefined for a program attached without a link. */
  linkId: number | undefined;
}

/** What is attached to a hook. */
export interface TcxChain {
  /** In the order they run. */
  entries: TcxEntry[];
  /** Changes with every change of the hook; see `expectedRevision`. */
  revision: bigint;
}

/**
 * What is attached to a TC hook by TCX (BPF_PROG_QUERY). Throws `SyscallError` ENODEV without such an interface,
 * `UnsupportedError` on a kernel without TCX.
 */
export function queryTcx(ifindex: number, direction: Direction): TcxChain {
  const op = `list the programs on the ${direction} of interface ${ifindex}`;
  // The kernel allows 64 programs on a hook.
  const room = 64;
  const programs = new Uint32Array(room);
  const links = new Uint32Array(room);
  using attr = new NativeStruct(TCX_QUERY, {
    target_ifindex: ifindex,
    attach_type: numberOf(direction, ATTACH_TYPE),
    prog_ids: new Uint8Array(programs.buffer),
    count: room,
    link_ids: new Uint8Array(links.buffer),
  });
  const result = bpfSyscall(BPF_PROG_QUERY, attr.bytes);
  if (result === -Errno.EINVAL && !hasTcx()) throw tcxMissing(op);
  // ENOENT: nothing was ever attached there.
  if (result === -Errno.ENOENT) return { entries: [], revision: 0n };
  check(result, { op, call: "BPF_PROG_QUERY", ...explain(result) });
  const entries = Array.from({ length: attr.get("count") }, (_, index) => {
    const linkId = links[index] as number;
    return { programId: programs[index] as number, linkId: linkId === 0 ? undefined : linkId };
  });
  return { entries, revision: attr.get("revision") };
}
