import { inspectHost } from "./inspect-host.ts";
import { inspectOrphans, inspectServers } from "./inspect-servers.ts";
import { type Problem, problem } from "./problem.ts";
import type { View } from "./view.ts";

/**
 * Compares the records with the kernel. In this order, no packet passes unchecked while remedies are applied: orphans
 * first, then the parts of each server, dp_dnat on the uplinks last.
 */
export function inspect(view: View): Problem[] {
  const { needsLoad } = view.objects;
  if (needsLoad !== undefined) return [problem({ code: "load-needed", severity: "error", what: needsLoad }, "dp load")];
  return [...inspectOrphans(view), ...inspectServers(view), ...inspectHost(view)];
}
