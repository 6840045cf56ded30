import { objects as images } from "@dp/bpf";
import { UnsupportedError } from "@dp/sys";
import { MapType } from "../../libbpf/map-type.ts";
import { BpfObject } from "../../libbpf/object.ts";
import { FAMILIES, type FamilyName } from "./pin-root.ts";
import { SockDestroyer } from "./sock-destroyer.ts";

/** How many entries a map gets that is made to be thrown away. */
const FEW = 1;
const HASHES = new Set<number>([MapType.hash, MapType.perCpuHash, MapType.lruHash, MapType.lruPerCpuHash]);

/**
 * Lets the kernel verify all programs that are attached, with maps of their own that are gone at once: nothing is
 * pinned, nothing replaced. The first that it refuses is thrown: `VerifierError`, `SyscallError`, `UnsupportedError`.
 */
export function verifyPrograms(): void {
  for (const family of Object.keys(FAMILIES) as FamilyName[]) {
    using open = BpfObject.open(images[family](), { name: family });
    for (const map of open.maps()) if (HASHES.has(map.type)) map.setMaxEntries(FEW);
    open.load().close();
  }
}

/** Why sockets cannot be destroyed on this kernel, which freezing needs; undefined when they can. */
export function sockDestroyRefusal(): UnsupportedError | undefined {
  try {
    SockDestroyer.load()[Symbol.dispose]();
    return undefined;
  } catch (error) {
    if (error instanceof UnsupportedError) return error;
    throw error;
  }
}
