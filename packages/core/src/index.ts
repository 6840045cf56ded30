/**
 * The datapath programs and maps: load them, pin them, attach them, fill them. For libbpf itself see
 * `@dp/core/libbpf`.
 *
 * @module @dp/core
 */
export { HOST_PEER_MAC } from "@dp/bpf";
export { LibbpfError, MapFullError, type SetMode, VerifierError } from "./libbpf/index.ts";
export { type BlockOptions, type BlockSelector, type ConnectionBlock } from "./objects/programs/connection-block.ts";
export { type Interface, readInterface, toVethPeer } from "./objects/interface.ts";
export { LayoutError } from "./objects/upgrade/layout-error.ts";
export { Objects } from "./objects/objects.ts";
export {
  loadBpf,
  type LoadBpfOptions,
  openPinned,
  type OpenPinnedOptions,
  openPrevious,
  snapshotPins,
} from "./objects/upgrade/open.ts";
export { adoptFilters, type AdoptableFilter, attachedBy, filtersOn, isPinned } from "./objects/programs/adopt.ts";
export {
  type Attachment,
  Attachments,
  type AttachResult,
  type CgroupAttachment,
  type ContainerPlace,
} from "./objects/programs/attachments.ts";
export type { HostAttachment } from "./objects/programs/host-attachment.ts";
export type { LoadedProgram } from "./objects/programs/loaded-programs.ts";
export { type AttachTarget, chooseMechanism, type MechanismName } from "./objects/programs/mechanism.ts";
export { DEFAULT_PIN_ROOT, PROG_PIN_PATH } from "./objects/programs/pin-root.ts";
export {
  CGROUP_PROGRAMS,
  type CgroupProgram,
  type CgroupProgramRow,
  type ContainerPeerProgram,
  functionName,
  type HostInterfaceProgram,
  type InterfaceProgram,
  type InterfaceProgramRow,
  type KernelFeature,
  type PinnedProgram,
  PROGRAM_TABLE,
  type ProgramName,
  type ProgramPlace,
  programRow,
  type ProgramRow,
  programsAt,
} from "./objects/programs/program-table.ts";
export { PinSnapshot } from "./objects/upgrade/pin-snapshot.ts";
export { type DestroyOptions } from "./objects/programs/sock-destroyer.ts";
export { type UnsupportedProgram, verifyPrograms } from "./objects/programs/verify-programs.ts";
export { Changes, type ServerChange } from "./objects/stores/changes.ts";
export { Config, type HostConfig, type Subnets } from "./objects/stores/config.ts";
export { type ContainerEntry, Containers } from "./objects/stores/containers.ts";
export { Counters, type ForwardTraffic, type Traffic } from "./objects/stores/counters.ts";
export { type DropCounts, type DropReason, Drops } from "./objects/stores/drops.ts";
export { type Endpoint, endpointText, type Family, familyOfAddress, type Protocol } from "./objects/stores/endpoint.ts";
export { type EndpointEntry, Endpoints, entriesOf } from "./objects/stores/endpoints.ts";
export { type Flow, Flows } from "./objects/stores/flows.ts";
export {
  endpointsOf,
  type Forward,
  forwardText,
  hasEndpoint,
  MAX_FORWARDS,
  requireForwards,
} from "./objects/stores/forward.ts";
export { Groups } from "./objects/stores/groups.ts";
export { type HostAddress, HostAddresses } from "./objects/stores/host-addresses.ts";
export { HostPeers } from "./objects/stores/host-peers.ts";
export { pinnedRecords, RECORDS_PIN } from "./objects/stores/pinned-records.ts";
export { Players } from "./objects/stores/players.ts";
export { type FreeFrom, Records, type ServerIdentity } from "./objects/stores/records.ts";
export { ReservedPorts } from "./objects/stores/reserved-ports.ts";
export { entryOf, ServerEntries, type ServerEntry } from "./objects/stores/server-entries.ts";
export { hostPeerName, ServerIds } from "./objects/stores/server-ids.ts";
export {
  type Addresses,
  type AddressPair,
  type ContainerRef,
  type NetworkMode,
  type Peer,
  serverLabel,
  type ServerRecord,
  type ServerState,
} from "./objects/stores/server-record.ts";
export { type Settings, SettingsStore } from "./objects/stores/settings.ts";
export { Uplinks } from "./objects/stores/uplinks.ts";
