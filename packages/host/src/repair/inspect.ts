import { inspectHost } from "./inspect-host.ts";
import { inspectLeftovers } from "./inspect-leftovers.ts";
import { inspectServers } from "./inspect-servers.ts";
import { type Problem, problem } from "./problem.ts";
import type { Scene } from "./scene.ts";

/**
 * Compares what is written down with what is there. What shuts out comes before what lets in: leftovers go before
 * anything is given back, and servers before the door they share.
 */
export function inspect(scene: Scene): Problem[] {
  const { needsLoad } = scene.objects;
  if (needsLoad !== undefined) return [problem({ code: "load-needed", severity: "error", what: needsLoad }, "dp load")];
  return [...inspectLeftovers(scene), ...inspectServers(scene), ...inspectHost(scene)];
}
