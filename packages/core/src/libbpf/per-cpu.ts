import { libbpf } from "../ffi/libbpf.ts";
import type { Codec } from "./codec.ts";
import { check } from "./errors.ts";

/** The codec of a per-CPU map's values. */
export interface PerCpuCodec<T> extends Codec<T[]> {
  /** One CPU's value. */
  readonly each: Codec<T>;
}

/** What the kernel rounds each CPU's value up to, in bytes. */
const ALIGNMENT = 8;

/**
 * CPUs that could ever be online: the number of values in an entry of a per-CPU map. Throws `UnsupportedError` without
 * libbpf.
 */
export function possibleCpus(): number {
  return check(libbpf.numPossibleCpus(), { op: "count the CPUs", call: "libbpf_num_possible_cpus" });
}

/**
 * Makes a per-CPU map's codec of the codec of one value: `object.map("hits", u32, perCpu(u64))`.
 * Writing another number of values throws `RangeError`.
 *
 * @param cpus the number of possible CPUs, asked of the machine when left out
 */
export function perCpu<T>(each: Codec<T>, cpus: number = possibleCpus()): PerCpuCodec<T> {
  const stride = Math.ceil(each.size / ALIGNMENT) * ALIGNMENT;
  return {
    each,
    size: stride * cpus,
    read: (bytes) =>
      Array.from({ length: cpus }, (_, cpu) => each.read(bytes.subarray(cpu * stride, cpu * stride + each.size))),
    write(values) {
      if (values.length !== cpus) throw new RangeError(`${values.length} values given for ${cpus} possible CPUs`);
      const bytes = new Uint8Array(stride * cpus);
      values.forEach((value, cpu) => bytes.set(each.write(value), cpu * stride));
      return bytes;
    },
  };
}
