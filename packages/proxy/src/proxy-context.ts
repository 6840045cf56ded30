import type { DnsForwarder } from "./dns/forwarder.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ProxyLimits } from "./limits/limits.ts";
import type { UsageTable } from "./limits/usage-table.ts";
import type { ConnectionLog, ServerIdentity } from "./log/connection-log.ts";
import type { DestinationKind, Policy } from "./policy/policy.ts";

/** What all connections and queries of one proxy share. */
export interface ProxyContext {
  readonly limits: ProxyLimits;
  readonly policy: Policy;
  readonly destinationKind: (address: string) => DestinationKind;
  readonly usage: UsageTable;
  readonly forwarder: DnsForwarder;
  /**
   * The server whose container has this source address. Without such a server: "refused", or undefined when unknown
   * sources are served.
   */
  readonly serverAt: (address: string) => ServerIdentity | undefined | "refused";
  /** Whether the destination is one of the proxy's own listeners. */
  readonly isSelf: (destination: Endpoint) => boolean;
  readonly record: (entry: ConnectionLog) => void;
}
