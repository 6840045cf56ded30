/**
 * What the running kernel can do, found out by trying: version numbers lie, as distributions take features back into
 * old kernels and leave them out of new ones.
 *
 * A probe answers true or false, and remembers it; it throws when it cannot tell, as without the privileges.
 */
import { accessSync, constants } from "node:fs";
import { Errno, Fd } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { BPF_TCX_INGRESS } from "./attach-type.ts";
import { callError, check } from "./errors.ts";
import { isUnsupportedBatch } from "./map-batch.ts";
import { MapType } from "./map-type.ts";

function remembered(probe: () => boolean): () => boolean {
  let answer: boolean | undefined;
  return () => (answer ??= probe());
}

const SCHED_CLS = 3;

/** `r0 = 0; exit`: the shortest program there is. */
const RETURN_ZERO = Uint8Array.from([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
const INSTRUCTION_SIZE = 8;

/** A program to try things with. Throws `SyscallError` without the privileges to load one. */
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

/** libbpf's version: "1.1". Throws `UnsupportedError` without libbpf. */
export function libbpfVersion(): string {
  return (libbpf.versionString() ?? "").replace(/^v/, "");
}
