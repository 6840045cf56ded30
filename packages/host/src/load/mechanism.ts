import type { Objects } from "@dp/core";
import type { LoadOptions } from "./options.ts";

/** Programs of two mechanisms would run in another order: the first load decides. */
export function warnOfMechanism({ mechanism }: Objects, { mechanism: asked, warn }: LoadOptions): void {
  if (asked === undefined || asked === mechanism) return;
  warn?.(`not attached by ${asked}: what is loaded stays attached by ${mechanism} until dp unload`);
}
