/**
 * The runtime of modules that bpf2ts writes. It contains no program of this package: users with BPF objects of their
 * own need nothing else of @dp/bpf.
 *
 * @module
 */
export { BtfError } from "../btf.ts";
export { ElfError } from "../elf.ts";
export { getAddress, getIpv4, getIpv6, getMac, setAddress, setIpv4, setIpv6, setMac } from "./address.ts";
export { checkLayouts, type LayoutMismatch, type Layouts } from "./check.ts";
export { be16, be32, codec, u16, u32, u64, u8 } from "./codec.ts";
export { embedded } from "./embedded.ts";
export type {
  BareMapLayout,
  Codec,
  FieldLayout,
  InnerMapLayout,
  MapLayout,
  MapOfMapsLayout,
  ProgramLayout,
  StructLayout,
  ValueMapLayout,
  VariableLayout,
} from "./layout.ts";
export { getText, setText } from "./text.ts";
export {
  blank,
  bytesOf,
  getArray,
  getBytes,
  partOf,
  setArray,
  setBe16,
  setBe64,
  setBool,
  setBytes,
  setPartOfArray,
  setS16,
  setS32,
  setS64,
  setS8,
  setU16,
  setU32,
  setU64,
  setU8,
  viewOf,
} from "./wire.ts";
