/** How many entries the maps have room for: those that grow with the number of servers. */
import { openPin } from "../../libbpf/pin.ts";
import { openRaw } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import type { MapName } from "./layout-change.ts";

const ONE_FOR_EACH = (servers: number) => servers;
/** Ids begin at 1; what belongs to no server has id 0. */
const BY_ID = (servers: number) => servers + 1;
const SIZES: Readonly<Partial<Record<MapName, (servers: number) => number>>> = {
  dp_changes: ONE_FOR_EACH,
  dp_groups: ONE_FOR_EACH,
  dp_names: ONE_FOR_EACH,
  dp_namespaces: ONE_FOR_EACH,
  dp_records: ONE_FOR_EACH,
  dp_servers: ONE_FOR_EACH,
  dp_proxy_budgets: BY_ID,
  dp_drop_counts: BY_ID,
  dp_flow_counts: BY_ID,
  dp_host_peers: BY_ID,
  dp_players: BY_ID,
  // One for each family.
  dp_containers: (servers) => servers * 2,
  // One for each forward, and one for each port of a forward: on average over all servers.
  dp_counters: (servers) => servers * 4,
  dp_traffic: (servers) => servers * 4,
  dp_endpoints: (servers) => servers * 64,
};

/** The room a map has for so many servers; undefined for a map whose size is always the same. */
export function sizeFor(map: string, servers: number): number | undefined {
  return SIZES[map as MapName]?.(servers);
}

/** How many servers the pinned maps of a root have room for; undefined when nothing is pinned. */
export function pinnedServers(root: PinRoot): number | undefined {
  const fd = openPin(root.map("dp_records" satisfies MapName), "map");
  if (fd === undefined) return undefined;
  using records = openRaw(fd);
  return records.info.maxEntries;
}
