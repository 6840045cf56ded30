/**
 * The transparent proxy for the connections and DNS queries that containers open.
 *
 * @module @dp/proxy
 */
export { DatapathError, type ErrorCode, SyscallError } from "@dp/sys";
export { parseResolver } from "./dns/resolver-list.ts";
export type { Endpoint } from "./endpoint.ts";
export { completeLimits, type ProxyLimits } from "./limits/limits.ts";
export type { Usage } from "./limits/usage-table.ts";
export type { ListenerPorts } from "./listeners.ts";
export type { ConnectionLog, ListenerKind, Outcome, ServerIdentity } from "./log/connection-log.ts";
export { formatLogLine, toFields, toJson } from "./log/format.ts";
export { type Decision, type DestinationKind, Policy, type PolicyOptions } from "./policy/policy.ts";
export { RESERVED_RANGES } from "./policy/reserved-ranges.ts";
export { startProxy, type Proxy, type ProxyOptions, type ProxyStats } from "./proxy.ts";
