/**
 * The datapath programs and maps: load them, pin them, attach them, fill them. For libbpf itself see
 * `@dp/core/libbpf`.
 *
 * @module @dp/core
 */
export { DatapathError, type ErrorCode, SyscallError, UnsupportedError } from "@dp/sys";
export { LibbpfError, MapFullError, type SetMode, VerifierError } from "./libbpf/index.ts";
export { type BlockOptions, type BlockSelector, type ConnectionBlock } from "./objects/connection-block.ts";
export { type Counters, type DropReason, type Traffic } from "./objects/counters.ts";
export { type Flow, type VethPairEntry, type VethPairOptions } from "./objects/flow.ts";
export { type HostConfig } from "./objects/host-config.ts";
export { type HostPeerEntry } from "./objects/host-peer.ts";
export { type Interface, readInterface, toVethPeer, type VethPair, type VethPeer } from "./objects/interface.ts";
export type { MechanismName } from "./objects/choose-mechanism.ts";
export { LayoutError } from "./objects/layout-error.ts";
export { type Attachment, type CgroupAttachment, type ContainerPlace, Objects } from "./objects/objects.ts";
export { loadBpf, type LoadBpfOptions, openPinned, type OpenPinnedOptions, snapshotPins } from "./objects/open.ts";
export {
  type CgroupProgram,
  DEFAULT_PIN_ROOT,
  type InterfaceProgram,
  PROG_PIN_PATH,
  type ProgramName,
} from "./objects/pin-root.ts";
export { PinSnapshot } from "./objects/pin-snapshot.ts";
export { type DestroyOptions } from "./objects/sock-destroyer.ts";
export { type DnatTarget, type PublicEndpoint, type SnatTarget } from "./objects/target.ts";
export { type NetData, type ServerRecord, type ServerState } from "./objects/server-record.ts";
export { type FreeFrom, type ServerIdentity, ServerRecords } from "./objects/server-records.ts";
