import type { RawMap } from "../../libbpf/raw-map.ts";
import type { Change, MapName } from "./layout-change.ts";

/** One map, another, and how what is in the one is written into the other. */
export interface Carrying {
  name: MapName;
  from: RawMap;
  to: RawMap;
  change: Change;
}
