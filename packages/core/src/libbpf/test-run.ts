import { Errno } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { NativeStruct, struct } from "../ffi/native-struct.ts";
import { callError } from "./errors.ts";

export const TEST_RUN_OPTS = struct("bpf_test_run_opts", {
  sz: "u64",
  data_in: "pointer",
  data_out: "pointer",
  data_size_in: "u32",
  data_size_out: "u32",
  ctx_in: "pointer",
  ctx_out: "pointer",
  ctx_size_in: "u32",
  ctx_size_out: "u32",
  retval: "u32",
  repeat: "i32",
  duration: "u32",
  flags: "u32",
  cpu: "u32",
  batch_size: "u32",
});

/** The input of a test run. */
export interface TestRunOptions {
  /** The packet, from its Ethernet header (at least 14 bytes). Leave it out for program types without one. */
  data?: Uint8Array;
  /** Room for the packet that comes out, in bytes. Default: 512 more than went in. */
  dataSizeOut?: number;
  /** The context structure as the program type has it; for TC programs see {@link skbContext}. */
  ctx?: Uint8Array;
  /** How often to run it. The packet is *not* restored between runs. Default 1. */
  repeat?: number;
  /**
   * Gives the packet a sum of all its bytes, as some devices do (CHECKSUM_COMPLETE). The kernel compares it with the
   * packet the program leaves: `SyscallError` EBADMSG when the program changed one and not the other. On kernels that
   * cannot (before 6.15), EINVAL.
   */
  checksumComplete?: boolean;
}

const BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 4;

/** The result of a test run. */
export interface TestRunResult {
  /** What the program returned: for TC, 0 TC_ACT_OK, 2 TC_ACT_SHOT, 7 TC_ACT_REDIRECT, 0xffffffff TC_ACT_UNSPEC. */
  retval: number;
  /** The packet as the program left it. */
  data: Uint8Array;
  /** The context as the program left it; empty when none went in. */
  ctx: Uint8Array;
  /** Average of one run, in nanoseconds. */
  duration: number;
}

const ETHERNET_HEADER = 14;

/** How often a repeated run is tried again after a signal stopped it: runtimes use signals for their own threads. */
const INTERRUPTED_TRIES = 100;

/** BPF_PROG_TEST_RUN. Throws `SyscallError`: EINVAL for data shorter than a packet, ENOSPC for too little room. */
export function testRun(fd: number, name: string, options: TestRunOptions): TestRunResult {
  const { data, ctx, repeat = 1 } = options;
  for (let attempt = 1; ; attempt++) {
    const dataOut = new Uint8Array(options.dataSizeOut ?? (data === undefined ? 0 : data.byteLength + 512));
    const ctxOut = new Uint8Array(ctx?.byteLength ?? 0);
    using opts = new NativeStruct(TEST_RUN_OPTS, {
      data_in: data,
      data_size_in: data?.byteLength,
      data_out: dataOut.byteLength > 0 ? dataOut : undefined,
      data_size_out: dataOut.byteLength,
      ctx_in: ctx,
      ctx_size_in: ctx?.byteLength,
      ctx_out: ctx === undefined ? undefined : ctxOut,
      ctx_size_out: ctxOut.byteLength,
      repeat,
      flags: options.checksumComplete === true ? BPF_F_TEST_SKB_CHECKSUM_COMPLETE : 0,
    });
    // SAFETY: the buffers are held by `opts`; the kernel reads and writes them during the call only.
    const result = libbpf.testRun(fd, opts.bytes);
    if (result === -Errno.EINTR && attempt < INTERRUPTED_TRIES) continue;
    if (result < 0) {
      const short = result === -Errno.EINVAL && data !== undefined && data.byteLength < ETHERNET_HEADER;
      const hint = short ? `a packet begins with its Ethernet header: ${ETHERNET_HEADER} bytes or more` : undefined;
      throw callError(result, { op: `test-run ${name}`, call: "bpf_prog_test_run_opts", hint });
    }
    return {
      retval: opts.get("retval"),
      data: dataOut.subarray(0, opts.get("data_size_out")),
      ctx: ctxOut.subarray(0, opts.get("ctx_size_out")),
      duration: opts.get("duration"),
    };
  }
}

/** The fields of struct __sk_buff the kernel takes from a test run's context; it refuses any other that is not zero. */
export interface SkbContext {
  mark?: number;
  priority?: number;
  /** ifindex of the interface the packet came in by, in the caller's network namespace. */
  ingressIfindex?: number;
  /** ifindex of the interface whose hook runs, in the caller's network namespace. Default: loopback. */
  ifindex?: number;
  cb?: readonly [number, number, number, number, number];
  /** Length on the wire, for GSO packets longer than their data. */
  wireLen?: number;
  gsoSegs?: number;
  gsoSize?: number;
}

const SKB_SIZE = 192;
const SKB_OFFSET = {
  mark: 8,
  priority: 32,
  ingressIfindex: 36,
  ifindex: 40,
  cb: 48,
  wireLen: 160,
  gsoSegs: 164,
  gsoSize: 176,
} as const;

/**
 * A struct __sk_buff to give to {@link Program.testRun} as `ctx` (linux/bpf.h). Throws `RangeError` for what does not
 * fit.
 */
export function skbContext(fields: SkbContext): Uint8Array {
  const bytes = new Uint8Array(SKB_SIZE);
  const view = new DataView(bytes.buffer);
  const { cb = [], ...scalars } = fields;
  for (const [name, value] of Object.entries(scalars)) {
    if (value !== undefined) view.setUint32(SKB_OFFSET[name as keyof typeof scalars], value, true);
  }
  cb.forEach((value, index) => view.setUint32(SKB_OFFSET.cb + 4 * index, value, true));
  return bytes;
}

/** Reads a context that came out of a test run. Throws `RangeError` for bytes that are too few. */
export function readSkbContext(bytes: Uint8Array): Required<SkbContext> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (offset: number) => view.getUint32(offset, true);
  const cb = (index: number) => at(SKB_OFFSET.cb + 4 * index);
  return {
    mark: at(SKB_OFFSET.mark),
    priority: at(SKB_OFFSET.priority),
    ingressIfindex: at(SKB_OFFSET.ingressIfindex),
    ifindex: at(SKB_OFFSET.ifindex),
    cb: [cb(0), cb(1), cb(2), cb(3), cb(4)],
    wireLen: at(SKB_OFFSET.wireLen),
    gsoSegs: at(SKB_OFFSET.gsoSegs),
    gsoSize: at(SKB_OFFSET.gsoSize),
  };
}
