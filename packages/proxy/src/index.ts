/**
 * The transparent proxy for what containers open.
 *
 * @module @dp/proxy
 */
export { DatapathError, type ErrorCode, SyscallError } from "@dp/sys";
export type { Usage } from "./limits/container-usage.ts";
export type { ConnectionLog, ListenerKind, Outcome, ServerIdentity } from "./log/connection-log.ts";
export type { Endpoint } from "./ipv4.ts";
export type { ListenerPorts } from "./listeners.ts";
export { formatLogLine, toFields, toJson } from "./log/format.ts";
export { completeLimits, type ProxyLimits } from "./limits/limits.ts";
export { type Decision, Policy, type PolicyOptions } from "./policy/policy.ts";
export { startProxy, type Proxy, type ProxyOptions, type ProxyStats } from "./proxy.ts";
export { RESERVED_RANGES } from "./policy/reserved-ranges.ts";
export { parseResolver } from "./dns/resolver-list.ts";
