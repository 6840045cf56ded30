import { hasPins } from "../pins/open.ts";
import type { Finding } from "./finding.ts";

/** What there is to say of a pin root that cannot be opened as a whole: nothing when nothing is loaded there. */
export function pinsMissing(pinRoot: string): Finding[] {
  if (!hasPins(pinRoot)) return [];
  const what = `only a part of what is loaded is pinned under ${pinRoot}: a command was killed, or somebody removed pins`;
  return [{ code: "pins-missing", severity: "error", what, fix: "dp gc, or dp load" }];
}
