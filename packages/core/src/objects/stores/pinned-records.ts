import { join } from "node:path";
import { mapLayouts } from "@dp/bpf";
import { BpfMap } from "../../libbpf/map.ts";
import { requirePin } from "../../libbpf/pin.ts";
import { checkPinnedMap } from "../maps.ts";
import { decodeRecord, type ServerRecord } from "./server-record.ts";

/** Where a pin root has its records. */
export const RECORDS_PIN = join("maps", mapLayouts.dp_records.name);

/**
 * The records of a pin root, whatever else of it is there or missing. Throws `SyscallError` ENOENT without any,
 * `LayoutError` for those of a build with another layout.
 */
export function pinnedRecords(pinRoot: string): ServerRecord[] {
  const layout = mapLayouts.dp_records;
  const path = join(pinRoot, RECORDS_PIN);
  using fd = requirePin(path, "map");
  checkPinnedMap(fd.number, layout, path);
  using map = BpfMap.fromFd(fd, layout.key, layout.value, { name: layout.name });
  return Array.from(map, ([id, data]) => decodeRecord(id, data));
}
