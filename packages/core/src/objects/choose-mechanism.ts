import { DatapathError } from "@dp/sys";
import { hasTcx } from "../libbpf/feature.ts";

/** How programs are attached to interfaces. */
export type MechanismName = "tcx" | "clsact";

/**
 * What was asked for, else TCX where this kernel has it. Throws `DatapathError` BAD_USAGE for another word,
 * `SyscallError` without the privileges to ask the kernel.
 */
export function chooseMechanism(asked?: MechanismName): MechanismName {
  if (asked === undefined) return hasTcx() ? "tcx" : "clsact";
  if (asked === "tcx" || asked === "clsact") return asked;
  const reason = `${JSON.stringify(asked)} is not a mechanism`;
  throw new DatapathError("BAD_USAGE", "choose how to attach programs", reason, { hint: "tcx or clsact" });
}
