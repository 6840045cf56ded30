import type { MapName } from "./layout-change.ts";

/**
 * What becomes of a map's entries when a map of another layout takes its place.
 *
 * While programs are swapped one after the other, both maps are in use. What `dp` alone writes needs no rule: it is
 * copied before, and nobody else holds the lock. Programs write the rest.
 */
export interface CarryRule {
  /** Numbers that programs add to: they begin at zero, and what the old map counted by the end is added. */
  readonly counts?: readonly string[];
  /** Programs make entries: what the old map got meanwhile is copied at the end. */
  readonly grows?: boolean;
  /** Begins empty: what was in it is of no use to other programs, or made anew by them. */
  readonly anew?: boolean;
}

const RULES: Readonly<Partial<Record<MapName, CarryRule>>> = {
  dp_dnat_targets: { counts: ["traffic.packets", "traffic.bytes"] },
  dp_snat_targets: { counts: ["traffic.packets", "traffic.bytes"] },
  dp_drop_counts: { counts: ["packets"] },
  dp_veth_pairs: { counts: ["flows"] },
  dp_fragments: { grows: true },
  // dp_origins, the other half of a flow: move-flows.ts.
  dp_flows: { grows: true },
  // A table of hashes: of another size, nobody is where they were. See startPlayers in load.ts.
  dp_players: { anew: true },
  // Nothing but a timer.
  dp_sweeps: { anew: true },
};

export function carryRule(name: MapName): CarryRule {
  return RULES[name] ?? {};
}
