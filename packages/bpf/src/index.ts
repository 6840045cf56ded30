/**
 * The BPF objects of datapath, compiled, and the typed layouts of their maps.
 *
 * @module @dp/bpf
 */
export { Btf, BtfError, type BtfEnumerator, type BtfMember, type BtfType } from "./btf.ts";
export { checkLayouts } from "./check.ts";
export { ElfError, elfSection, type ElfSection, elfSections } from "./elf.ts";
export { HOST_PEER_MAC } from "./host-peer-mac.ts";
export type { LayoutMismatch } from "./layout/check.ts";
export { be32, u32 } from "./layout/codec.ts";
export type {
  BareMapLayout,
  Codec,
  FieldLayout,
  InnerMapLayout,
  MapLayout,
  MapOfMapsLayout,
  ProgramLayout,
  StructLayout,
  VariableLayout,
} from "./layout/layout.ts";
export * from "./layout.gen.ts";
export {
  describePart,
  type InnerMapDefinition,
  type MapDefinition,
  mapDefinitions,
  type MapPart,
} from "./map-definition.ts";
export { type ObjectName, objects } from "./objects.ts";
export { type ProgramDefinition, programDefinitions } from "./program-definition.ts";
export { isSameShape, type Leaf, type Shape, shapeOfLayout, shapeOfType } from "./shape.ts";
export { type Refusal, type Translation, translation, type TranslationOptions } from "./translation.ts";
