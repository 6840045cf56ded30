/**
 * What the running kernel can do, found out by trying: distributions add features to old kernels and leave them out of
 * new ones, so version numbers do not tell.
 *
 * A probe answers true or false, and remembers it. It throws when it cannot tell, as without the privileges.
 */
import { accessSync, constants } from "node:fs";
import { Errno, Fd, newNetns, SyscallError, withNetns } from "@dp/sys";
import { libbpf, requireSymbols } from "../ffi/libbpf.ts";
import { NativeStruct } from "../ffi/native-struct.ts";
import { BPF_TCX_INGRESS } from "./attach-type.ts";
import { attachClsact } from "./clsact.ts";
import { callError, check } from "./errors.ts";
import { PROGRAM_INFO, readInfo } from "./info.ts";
import { isUnsupportedBatch } from "./map-batch.ts";
import { MapType } from "./map-type.ts";
import { Program } from "./program.ts";

function remembered(probe: () => boolean): () => boolean {
  let answer: boolean | undefined;
  return () => (answer ??= probe());
}

const SCHED_CLS = 3;

/** `r0 = 0; exit`: the shortest program. */
const RETURN_ZERO = Uint8Array.from([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
const INSTRUCTION_SIZE = 8;

/** A program for probes. Throws `SyscallError` without the privileges to load one. */
function trivialProgram(op: string): Fd {
  const count = RETURN_ZERO.byteLength / INSTRUCTION_SIZE;
  // SAFETY: the kernel copies the instructions; libbpf copies the strings.
  const result = libbpf.programLoad(SCHED_CLS, "probe", "GPL", RETURN_ZERO, count, null);
  return new Fd(check(result, { op, call: "bpf_prog_load" }));
}

/** TCX links (Linux 6.6+). On an interface that cannot be: ENODEV from a kernel that knows them, EINVAL otherwise. */
export const hasTcx: () => boolean = remembered(() => {
  const op = "probe for TCX links";
  const noInterface = 0x7fffffff;
  using program = trivialProgram(op);
  const result = libbpf.linkCreate(program.number, noInterface, BPF_TCX_INGRESS, null);
  if (result === -Errno.ENODEV) return true;
  if (result === -Errno.EINVAL) return false;
  if (result >= 0) new Fd(result).close();
  throw callError(result, { op, call: "bpf_link_create" });
});

/** TC filters on clsact (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF), tried in a network namespace of its own. */
export const hasClsact: () => boolean = remembered(() => {
  const op = "probe for clsact filters";
  const loopback = 1;
  using program = new Program(trivialProgram(op));
  using scratch = newNetns();
  try {
    withNetns(scratch, () =>
      attachClsact(program, { ifindex: loopback, direction: "ingress", priority: 1, handle: 1 }),
    );
    return true;
  } catch (error) {
    // No such qdisc, no such classifier; or the module for it is not there.
    const missing: number[] = [Errno.ENOENT, Errno.EOPNOTSUPP, Errno.EINVAL];
    if (error instanceof SyscallError && missing.includes(error.errno)) return false;
    throw error;
  }
});

/** enum bpf_func_id and the type of the programs that call it (linux/bpf.h). */
const HELPERS = {
  /** Linux 5.10+ */
  redirect_neigh: [152, SCHED_CLS],
  /** Linux 5.10+ */
  redirect_peer: [155, SCHED_CLS],
  /** Linux 5.15+ */
  timer_init: [169, SCHED_CLS],
} as const;

/** A function of the kernel that {@link hasHelper} can ask for. */
export type HelperName = keyof typeof HELPERS;

/**
 * A function of the kernel's for TC programs: whether the verifier knows it. Throws `SyscallError` without the
 * privileges to try.
 */
export function hasHelper(name: HelperName): boolean {
  const [helper, programType] = HELPERS[name];
  return (
    check(libbpf.probeHelper(programType, helper, null), {
      op: `probe for bpf_${name}`,
      call: "libbpf_probe_bpf_helper",
    }) === 1
  );
}

/** enum bpf_prog_type (linux/bpf.h). */
const PROGRAM_TYPES = {
  /** TC: clsact, TCX */
  schedCls: SCHED_CLS,
  xdp: 6,
  /** cgroup/connect4 and its like (Linux 4.17+) */
  cgroupSockAddr: 18,
  /** cgroup/getsockopt (Linux 5.3+) */
  cgroupSockopt: 25,
  /** sockops (Linux 4.13+) */
  sockOps: 13,
} as const;

/** A type of programs: whether the kernel loads one. Throws `SyscallError` without the privileges to try. */
export function hasProgramType(name: keyof typeof PROGRAM_TYPES): boolean {
  const result = libbpf.probeProgramType(PROGRAM_TYPES[name], null);
  return check(result, { op: `probe for ${name} programs`, call: "libbpf_probe_bpf_prog_type" }) === 1;
}

/** A type of maps: whether the kernel makes one. Throws `SyscallError` without the privileges to try. */
export function hasMapType(name: keyof typeof MapType): boolean {
  const result = libbpf.probeMapType(MapType[name], null);
  return check(result, { op: `probe for ${name} maps`, call: "libbpf_probe_bpf_map_type" }) === 1;
}

/**
 * Whether programs are compiled to machine code (net.core.bpf_jit_enable), rather than interpreted. Throws
 * `SyscallError` without the privileges to try.
 */
export function hasJit(): boolean {
  const op = "probe for the JIT compiler";
  using program = trivialProgram(op);
  using info = new NativeStruct(PROGRAM_INFO);
  return readInfo(program.number, info, op).get("jited_prog_len") > 0;
}

/** Batch operations on hash maps (Linux 5.6+). */
export const hasMapBatch: () => boolean = remembered(() => {
  const op = "probe for batch operations on maps";
  const created = libbpf.mapCreate(MapType.hash, "probe", 4, 4, 1, null);
  using map = new Fd(check(created, { op, call: "bpf_map_create" }));
  const count = new Uint32Array([1]);
  // SAFETY: key and value have 4 bytes, as the map was made with; the kernel reads them during the call.
  const result = libbpf.mapUpdateBatch(map.number, new Uint8Array(4), new Uint8Array(4), count, null);
  return !isUnsupportedBatch(result);
});

/** The kernel's own types (CONFIG_DEBUG_INFO_BTF): what CO-RE programs and iterators need. */
export const hasKernelBtf: () => boolean = remembered(() => {
  try {
    accessSync("/sys/kernel/btf/vmlinux", constants.R_OK);
    return true;
  } catch {
    return false;
  }
});

/** Throws `UnsupportedError` for a libbpf that lacks a function this package calls, or none at all. */
export function requireLibbpf(): void {
  requireSymbols();
}

/** libbpf's version: "1.1". Throws `UnsupportedError` without libbpf. */
export function libbpfVersion(): string {
  return (libbpf.versionString() ?? "").replace(/^v/, "");
}
