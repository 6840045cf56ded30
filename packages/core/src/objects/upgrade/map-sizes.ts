/** The sizes of maps that depend on the number of servers. */
import { openPin } from "../../libbpf/pin.ts";
import { openRaw } from "../../libbpf/raw-map.ts";
import type { PinRoot } from "../programs/pin-root.ts";
import type { MapName } from "./layout-change.ts";

/** What helps when a map is full. */
export const MORE_ROOM = "load again with room for more: maxServers, dp load --max-servers N";

const ONE_FOR_EACH = (servers: number) => servers;
/** For maps by server id, which begins at 1. The entry of id 0 is for packets that belong to no server. */
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

/** The size of a map for a number of servers; undefined for a map whose size does not depend on it. */
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
