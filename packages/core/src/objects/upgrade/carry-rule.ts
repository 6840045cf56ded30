import type { MapName } from "./layout-change.ts";

/**
 * What becomes of a map's entries when a map of another layout or size takes its place.
 *
 * While programs are swapped one after the other, both maps are in use. What `dp` alone writes needs no rule: it is
 * copied before, under the lock. Programs write the rest.
 */
export interface CarryRule {
  /** Numbers that programs add to: they begin at zero, and what the old map counted by the end is added. */
  readonly counts?: readonly string[];
  /** Programs make entries: what was added to the old map meanwhile is copied at the end. */
  readonly grows?: boolean;
  /** Begins empty: the programs make its contents anew. */
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
  // A table of hashes: in one of another size each player has another slot. dp_start_players makes up for it.
  dp_players: { innerAnew: true },
  // Nothing but a timer.
  dp_sweeps: { anew: true },
};

export function carryRule(name: MapName): CarryRule {
  return RULES[name] ?? {};
}
