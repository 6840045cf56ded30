/**
 * libbpf for TypeScript. See the package's README.
 *
 * @module @dp/core/libbpf
 */
export { DatapathError, type ErrorCode, SyscallError, UnsupportedError } from "@dp/sys";
export { type CgroupAttachName, CgroupAttachType, type Direction } from "./attach-type.ts";
export { attachCgroup, type AttachCgroupOptions, queryCgroup, type QueryCgroupOptions } from "./cgroup.ts";
export { attachClsact, type ClsactSlot, destroyClsact, detachClsact, makeClsact, queryClsact } from "./clsact.ts";
export { be16, be32, bytes, type Codec, u16, u32, u64, u8 } from "./codec.ts";
export { LibbpfError, LibbpfMessages } from "./errors.ts";
export {
  hasClsact,
  hasHelper,
  hasJit,
  hasKernelBtf,
  hasMapBatch,
  hasMapType,
  hasProgramType,
  hasTcx,
  type HelperName,
  libbpfVersion,
  requireLibbpf,
} from "./feature.ts";
export { hasFilters } from "./filter-dump.ts";
export { linkIds, mapIds, programIds } from "./ids.ts";
export { interfaceIndex } from "./interface-index.ts";
export { attachIter, type AttachIterOptions, runIter } from "./iter.ts";
export {
  type CgroupLinkInfo,
  type IterLinkInfo,
  Link,
  type LinkInfo,
  type NetnsLinkInfo,
  type OtherLinkInfo,
  type TcxLinkInfo,
  type XdpLinkInfo,
} from "./link.ts";
export {
  BpfMap,
  createMap,
  type CreateMapOptions,
  type CreateTypedMapOptions,
  MapFullError,
  type MapInfo,
  type MapOptions,
  type PerCpuMap,
  type SetMode,
} from "./map.ts";
export { MapOfMaps } from "./map-of-maps.ts";
export { attachNetfilter, type AttachNetfilterOptions, type NetfilterHook, setNetfilterType } from "./netfilter.ts";
export { MapType, mapTypeName } from "./map-type.ts";
export { type MapTypes, mapTypes } from "./map-types.ts";
export { BpfObject, type OpenOptions } from "./object.ts";
export { OpenObject } from "./open-object.ts";
export { OpenMap, OpenProgram } from "./open-parts.ts";
export { perCpu, type PerCpuCodec, possibleCpus } from "./per-cpu.ts";
export { pin, pinnedKind, type PinKind, pinOver, unpin } from "./pin.ts";
export { Program, type ProgramInfo } from "./program.ts";
export { type RecordsOptions, RingBuffer } from "./ring-buffer.ts";
export { attachSkLookup } from "./sk-lookup.ts";
export { attachTcx, type AttachTcxOptions, queryTcx, type TcxChain, type TcxEntry, type TcxPosition } from "./tcx.ts";
export { readSkbContext, type SkbContext, skbContext, type TestRunOptions, type TestRunResult } from "./test-run.ts";
export type {
  EntryValue,
  TypedInnerMap,
  TypedMap,
  TypedMapOfMaps,
  TypedProgram,
  TypedRingBuffer,
  TypedVariable,
} from "./typed.ts";
export { VerifierError } from "./verifier-error.ts";
export { attachXdp, type AttachXdpOptions, type XdpMode } from "./xdp.ts";
