import { inspectHost } from "./inspect-host.ts";
import { inspectLeftovers } from "./inspect-leftovers.ts";
import { inspectServers } from "./inspect-servers.ts";
import { type Problem, problem } from "./problem.ts";
import type { Scene } from "./scene.ts";

/**
 * Compares the records with the kernel. What blocks traffic is repaired before what lets it in: orphans first, then the
 * programs of each server, dp_dnat on the uplinks last.
 */
export function inspect(scene: Scene): Problem[] {
  const { needsLoad } = scene.objects;
  if (needsLoad !== undefined) return [problem({ code: "load-needed", severity: "error", what: needsLoad }, "dp load")];
  return [...inspectLeftovers(scene), ...inspectServers(scene), ...inspectHost(scene)];
}
