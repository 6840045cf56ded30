import { stateOf, withoutRemoved } from "../../e2e/topology/state.ts";
import type { World } from "./world.ts";

/** They come and go by themselves. */
const FLOWS = new Set(["dp_flows", "dp_origins", "dp_flow_counts"]);

/** What is there. Not the counters in the maps' values: a container's kernel may say something at any time. */
export async function settled(world: World): Promise<Record<string, unknown>> {
  const state = await stateOf(world.net);
  const maps = Object.entries(state["maps"] as Record<string, string[]>);
  const keys = maps
    .filter(([name]) => !FLOWS.has(name))
    .map(([name, lines]) => [name, (name === "dp_changes" ? withoutRemoved(lines) : lines).flatMap(keyIn)]);
  return { ...state, maps: Object.fromEntries(keys) as unknown };
}

/** "KEY: VALUE", or of per-CPU maps "KEY: {" and a line for each processor, which begins with a tab. */
function keyIn(line: string): string[] {
  const key = line.slice(0, line.indexOf(": "));
  return /^\t|^}/.test(line) ? [] : [key];
}
