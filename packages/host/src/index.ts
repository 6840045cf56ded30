/**
 * What a datapath host does: load, add a server, remove it, freeze it, list. Each as one transaction under the pin
 * root's lock; see the package's README.
 *
 * @module @dp/host
 */
export { DatapathError, type ErrorCode, SyscallError, UnsupportedError } from "@dp/sys";
export { LayoutError, LibbpfError, MapFullError, VerifierError } from "@dp/core";
export { InterruptedDumpError, MalformedMessageError, NetlinkError } from "@dp/netlink";
export {
  type AddedServer,
  addServer,
  type AddServerOptions,
  addServers,
  type AddServersOptions,
} from "./add-server.ts";
export { type AgentEvent, type AgentOptions, runAgent } from "./agent.ts";
export { delServer, type DelServerOptions } from "./del-server.ts";
export type { DoctorCheck } from "./doctor/check.ts";
export { doctor, type DoctorReport } from "./doctor.ts";
export { type Finding, isHealthy } from "./repair/finding.ts";
export { freezeServer, type FreezeServerOptions, type FrozenServer } from "./freeze-server.ts";
export type { HostOptions } from "./host-options.ts";
export { list, show } from "./list.ts";
export { load } from "./load.ts";
export type { LoadOptions, LoadParameters } from "./load/options.ts";
export type { LoadResult, UplinkInfo } from "./load/result.ts";
export { repair, type RepairOptions, type RepairResult } from "./repair.ts";
export type { ServerSelector } from "./server/select.ts";
export { type KnownServer, type ProxyPorts, ServerDirectory } from "./server-directory.ts";
export type { ServerOptions } from "./server/options.ts";
export type { ForwardDetails, Server, ServerDetails, ServerForward, TrafficCount } from "./server/server.ts";
export { status, type Status } from "./status.ts";
export { thawServer, type ThawedServer } from "./thaw-server.ts";
export type { StepListener } from "./transaction.ts";
export { unload, type UnloadOptions, type UnloadResult } from "./unload.ts";
