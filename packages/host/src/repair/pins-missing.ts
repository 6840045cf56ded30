import { hasPins } from "../pins/open.ts";
import type { Finding } from "./finding.ts";

/** The finding for a pin root with an incomplete load; none when nothing is loaded there. */
export function pinsMissing(pinRoot: string): Finding[] {
  if (!hasPins(pinRoot)) return [];
  const what = `only a part of what is loaded is pinned under ${pinRoot}: a command was killed, or pins were removed`;
  return [{ code: "pins-missing", severity: "error", what, fix: "dp repair, or dp load" }];
}
