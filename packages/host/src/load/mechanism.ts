import type { Objects } from "@dp/core";
import { chooseMechanism } from "@dp/core/internal";
import type { LoadOptions } from "./options.ts";

/** Half of the programs one way and half the other would run in another order: whoever was first decides. */
export function warnOfMechanism({ mechanism }: Objects, { warn }: LoadOptions): void {
  const forced = process.env["DP_ATTACH"] ?? "";
  if (forced === "" || chooseMechanism() === mechanism) return;
  warn?.(`DP_ATTACH=${forced} changes nothing: what is loaded stays attached by ${mechanism}, until dp unload`);
}
