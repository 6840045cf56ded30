/** XDP: a program that sees packets before the network stack does, as a link (Linux 5.9+). */
import { Errno, Fd } from "@dp/sys";
import { beforeChange } from "@dp/sys/fault";
import { bpfSyscall } from "../ffi/libc.ts";
import { NativeStruct } from "../ffi/native-struct.ts";
import { BPF_XDP } from "./attach-type.ts";
import { callError } from "./errors.ts";
import { Link } from "./link.ts";
import type { Program } from "./program.ts";
import { BPF_LINK_CREATE, TCX_LINK_CREATE } from "./tcx.ts";

/** Where it runs: in the driver, in the kernel's generic code (slower, on any interface), or on the device. */
export type XdpMode = "driver" | "generic" | "offload";

const MODE_FLAGS: Readonly<Record<XdpMode, number>> = { generic: 1 << 1, driver: 1 << 2, offload: 1 << 3 };

/** The program and its interface. */
export interface AttachXdpOptions {
  /** SEC("xdp"). */
  program: Program;
  /** In the calling thread's network namespace. */
  ifindex: number;
  /** Default: in the driver where it can, otherwise generic. */
  mode?: XdpMode;
}

/**
 * Attaches a program to an interface (BPF_LINK_CREATE). An interface has one.
 *
 * Throws `SyscallError`: EINVAL without such an interface, EBUSY when it has a program, EOPNOTSUPP for a mode that its
 * driver does not have.
 */
export function attachXdp({ program, ifindex, mode }: AttachXdpOptions): Link {
  using attr = new NativeStruct(TCX_LINK_CREATE, {
    prog_fd: program.fd,
    target_ifindex: ifindex,
    attach_type: BPF_XDP,
    flags: mode === undefined ? 0 : MODE_FLAGS[mode],
  });
  beforeChange("attach to", ifindex);
  const result = bpfSyscall(BPF_LINK_CREATE, attr.bytes);
  if (result >= 0) return new Link(new Fd(result));
  const text = FAILURES[-result];
  const op = `attach ${program.name} to the XDP hook of interface ${ifindex}`;
  throw callError(result, { op, call: "BPF_LINK_CREATE", ...(text === undefined ? {} : { text }) });
}

const FAILURES: Readonly<Record<number, string>> = {
  [Errno.EINVAL]: "no such interface, or no XDP program",
  [Errno.EBUSY]: "it has an XDP program already",
  [Errno.EOPNOTSUPP]: "its driver does not have this mode",
};
