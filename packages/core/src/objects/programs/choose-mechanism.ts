import { DatapathError } from "@dp/sys";
import { hasTcx } from "../../libbpf/feature.ts";

/** How programs are attached to interfaces. */
export type MechanismName = "tcx" | "clsact";

/**
 * As was asked for; else as DP_ATTACH says, with which tests have both on one machine; else as this kernel can. Throws
 * without the privileges to find that out.
 */
export function chooseMechanism(asked?: MechanismName): MechanismName {
  if (asked !== undefined) return asked;
  const forced = process.env["DP_ATTACH"] ?? "";
  if (forced === "") return hasTcx() ? "tcx" : "clsact";
  if (forced === "tcx" || forced === "clsact") return forced;
  throw new DatapathError("BAD_USAGE", "choose how to attach programs", `DP_ATTACH is ${JSON.stringify(forced)}`, {
    hint: "it can be tcx or clsact; without it, the kernel is asked",
  });
}
