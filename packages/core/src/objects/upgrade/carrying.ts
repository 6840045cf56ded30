import type { RawMap } from "../../libbpf/raw-map.ts";
import type { Change, MapName } from "./layout-change.ts";

/** A map, the map that replaces it, and how entries are translated from one to the other. */
export interface Carrying {
  name: MapName;
  from: RawMap;
  to: RawMap;
  change: Change;
}
