export { Btf, BtfError, type BtfEnumerator, type BtfMember, type BtfType } from "./btf.ts";
export { checkLayouts, type LayoutMismatch } from "./check.ts";
export { ElfError, elfSection, type ElfSection, elfSections } from "./elf.ts";
export type { Codec, FieldLayout, MapLayout, StructLayout } from "./layout.ts";
export * from "./layout.gen.ts";
export { type MapDefinition, mapDefinitions } from "./map-definition.ts";
export { type ObjectName, objects } from "./objects.ts";
export { be32, u32 } from "./wire.ts";
