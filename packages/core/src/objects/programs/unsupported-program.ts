/** Finds out whether a program failed to load because the kernel lacks a feature of the program table. */
import { Errno, SyscallError, UnsupportedError } from "@dp/sys";
import { hasKernelBtf } from "../../libbpf/feature.ts";
import { VerifierError } from "../../libbpf/verifier-error.ts";
import type { ProgramRow } from "./program-table.ts";

/** What to throw for `error`, which loading these programs threw. */
export function explainRefusal(error: unknown, rows: readonly ProgramRow[]): unknown {
  const row = rows.find(({ needs }) => needs !== undefined);
  if (row?.needs === undefined) return error;
  const op = `load dp_${row.name}`;
  if (!hasKernelBtf()) {
    return new UnsupportedError("kernel BTF", "boot a kernel built with CONFIG_DEBUG_INFO_BTF", {
      op,
      reason: `this kernel has no BTF (/sys/kernel/btf/vmlinux): ${row.needs.without}`,
      cause: error,
    });
  }
  if (!isMissingFeature(error, row.hook)) return error;
  const { feature, kernel, without } = row.needs;
  return new UnsupportedError(feature, `boot Linux ${kernel} or newer`, {
    op,
    reason: `this kernel has no ${feature}: ${without}`,
    cause: error,
  });
}

function isMissingFeature(error: unknown, hook: ProgramRow["hook"]): boolean {
  if (error instanceof VerifierError) {
    // libbpf leaves a call of what the kernel does not have as number 0; the verifier fails at it or at what follows.
    return hook === "iterator" && /\bcall [\w-]*#0\b|kernel function/.test(error.log);
  }
  if (!(error instanceof SyscallError)) return false;
  // A type of program the kernel does not know; an iterator it does not have.
  return error.errno === (hook === "iterator" ? Errno.ESRCH : Errno.EINVAL);
}
