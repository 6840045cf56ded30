import { check, libc } from "./libc.ts";

const RLIMIT_NOFILE = 7;

/** getrlimit(2) and setrlimit(2) in one: the limit as it was. */
function prlimit(limit: BigUint64Array | null): { soft: bigint; hard: bigint } {
  // struct rlimit64: rlim_cur, rlim_max. Process 0 is this one.
  const old = new BigUint64Array(2);
  check(libc.prlimit(0, RLIMIT_NOFILE, limit, old), "limit open files", "prlimit");
  return { soft: old[0] as bigint, hard: old[1] as bigint };
}

/**
 * Raises this process's limit of open files as far as it may. Programs started later inherit it.
 *
 * @returns the limit now. Throws `SyscallError`.
 */
export function raiseDescriptorLimit(): bigint {
  const { soft, hard } = prlimit(null);
  if (soft < hard) prlimit(new BigUint64Array([hard, hard]));
  return hard;
}
