/** Iterators: programs the kernel runs once for each of its objects, when the iterator is read. */
import { readSync } from "node:fs";
import { Errno, Fd } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import { BPF_TRACE_ITER } from "./attach-type.ts";
import { callError, check } from "./errors.ts";
import { Link } from "./link.ts";
import { concatenate } from "./map-batch.ts";
import type { Program } from "./program.ts";

/** struct bpf_link_create_opts (bpf.h) as far as iterators go. */
export const ITER_CREATE_OPTS = struct("bpf_link_create_opts", {
  sz: "u64",
  flags: "u32",
  iter_info: "pointer",
  iter_info_len: "u32",
  target_btf_id: "u32",
});

/** The program, and what it iterates over. */
export interface AttachIterOptions {
  /** SEC("iter/TARGET"). */
  program: Program;
  /** The map to walk, for SEC("iter/bpf_map_elem"). */
  map?: { readonly fd: number };
}

/** union bpf_iter_link_info (linux/bpf.h): its size, of which a map's descriptor takes the first four bytes. */
const ITER_INFO_SIZE = 16;

/** Makes the link of an iterator (BPF_LINK_CREATE); {@link runIter} runs it. Throws `SyscallError`. */
export function attachIter(options: AttachIterOptions): Link {
  const { program, map } = options;
  const target = new Uint8Array(ITER_INFO_SIZE);
  if (map !== undefined) new DataView(target.buffer).setUint32(0, map.fd, true);
  using opts = new NativeStruct(ITER_CREATE_OPTS, {
    iter_info: map === undefined ? undefined : target,
    iter_info_len: map === undefined ? 0 : target.byteLength,
  });
  // SAFETY: `target` is held by `opts`; both are read during the call only.
  const result = libbpf.linkCreate(program.fd, 0, BPF_TRACE_ITER, opts.bytes);
  return new Link(new Fd(check(result, { op: `make the iterator ${program.name}`, call: "bpf_link_create" })));
}

/**
 * Runs an iterator once, from the first object to the last, in the calling thread's network namespace. Returns what the
 * program wrote with bpf_seq_write or bpf_seq_printf. Throws `SyscallError`.
 */
export function runIter(link: Link): Uint8Array {
  const op = "run an iterator";
  using file = new Fd(check(libbpf.iterCreate(link.fd), { op, call: "bpf_iter_create" }));
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = new Uint8Array(64 * 1024);
    const length = readSome(file, chunk, op);
    if (length === 0) return concatenate(chunks);
    if (length > 0) chunks.push(chunk.subarray(0, length));
  }
}

/** -1: no output yet, read again. The kernel pauses like this after a million objects that wrote nothing. */
function readSome(file: Fd, buffer: Uint8Array, op: string): number {
  try {
    return readSync(file.number, buffer);
  } catch (cause) {
    const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0);
    if (errno === Errno.EAGAIN || errno === Errno.EINTR) return -1;
    throw callError(-errno, { op, call: "read" });
  }
}
