import type { MapName } from "./layout-change.ts";

/**
 * How the entries of a map are carried over when a map of another layout or size replaces it.
 *
 * While programs are swapped one after the other, both maps are in use. Maps that only `dp` writes need no rule: they
 * are copied before, while `dp` holds the lock. The rules are for maps that programs write.
 */
export interface CarryRule {
  /** Fields that programs count in: they begin at zero, and the numbers of the old map are added at the end. */
  readonly counts?: readonly string[];
  /** Programs add entries: those that were added to the old map since the copy are copied at the end. */
  readonly grows?: boolean;
  /** Not copied: the programs create the entries again. */
  readonly anew?: boolean;
  /**
   * Of a map of maps whose inner maps differ from this build's: each entry gets an empty one. Without this rule it is
   * an error. Inner maps that do not differ are shared by the old and the new map: there is nothing to copy.
   */
  readonly innerAnew?: boolean;
}

const RULES: Readonly<Partial<Record<MapName, CarryRule>>> = {
  // Each server has its burst once more.
  dp_proxy_budgets: { anew: true },
  dp_traffic: { counts: ["in.packets", "in.bytes", "out.packets", "out.bytes"] },
  dp_drop_counts: { counts: ["packets"] },
  dp_flow_counts: { counts: ["flows"] },
  dp_fragments: { grows: true },
  dp_answer_frags: { grows: true },
  // dp_origins, the other half of a flow: move-flows.ts.
  dp_flows: { grows: true },
  // In a table of another size, a player has another slot. After that, dp_start_players runs.
  dp_players: { innerAnew: true },
  // It has only a timer.
  dp_sweeps: { anew: true },
};

export function carryRule(name: MapName): CarryRule {
  return RULES[name] ?? {};
}
