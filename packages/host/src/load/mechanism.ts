import type { Objects } from "@dp/core";
import { chooseMechanism } from "@dp/core/internal";
import type { LoadOptions } from "./options.ts";

/** Mixing both mechanisms would change the order of programs: the first load decides. */
export function warnOfMechanism({ mechanism }: Objects, { warn }: LoadOptions): void {
  const forced = process.env["DP_ATTACH"] ?? "";
  if (forced === "" || chooseMechanism() === mechanism) return;
  warn?.(`DP_ATTACH=${forced} changes nothing: what is loaded stays attached by ${mechanism}, until dp unload`);
}
