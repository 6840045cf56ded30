import { BpfMap } from "../../libbpf/map.ts";
import type { BpfObject } from "../../libbpf/object.ts";
import { rawCodecs } from "../../libbpf/raw-map.ts";
import { loadObject } from "./load-object.ts";
import type { PinRoot } from "./pin-root.ts";
import type { ProgramRow } from "./program-table.ts";

/** Loads one program, with the maps that are pinned. As {@link loadObject} otherwise. */
export function loadWithPinnedMaps(root: PinRoot, row: ProgramRow, image?: Uint8Array): BpfObject {
  return loadObject(row.object, {
    image,
    programs: [row.name],
    prepare(open) {
      for (const map of open.maps().filter(({ internal }) => !internal)) {
        using pinned = BpfMap.fromPin(root.map(map.name), ...rawCodecs(map.type, map.keySize, map.valueSize));
        map.reuse(pinned);
      }
    },
  });
}
