import { mapLayouts, structLayouts } from "./layout.gen.ts";
import { checkLayouts as check, type LayoutMismatch } from "./layout/check.ts";

/**
 * Compares this package's layouts with the BTF of an object that is about to be loaded, so that bytes are never read by
 * a layout they were not written with. Structs and maps the object does not have are not its business.
 *
 * @param file an object file (ELF), not bare BTF
 * @returns every difference; empty when all is well. Throws `ElfError` or `BtfError` for a damaged object.
 */
export function checkLayouts(file: Uint8Array): LayoutMismatch[] {
  return check(file, { structLayouts, mapLayouts });
}
