import type { DnsForwarder } from "./dns/forwarder.ts";
import type { Endpoint } from "./ipv4.ts";
import type { Accounts } from "./limits/container-usage.ts";
import type { ProxyLimits } from "./limits/limits.ts";
import type { ConnectionLog, ServerIdentity } from "./log/connection-log.ts";
import type { Policy, Whose } from "./policy/policy.ts";

/** What every connection and query of one proxy shares. */
export interface ProxyContext {
  readonly limits: ProxyLimits;
  readonly policy: Policy;
  readonly whose: (address: string) => Whose;
  readonly accounts: Accounts;
  readonly forwarder: DnsForwarder;
  /** Who has this source address: the server, undefined for nobody known, "refused" when nobody known may pass. */
  readonly admit: (address: string) => ServerIdentity | undefined | "refused";
  /** Whether connecting there would be connecting to the proxy. */
  readonly isSelf: (destination: Endpoint) => boolean;
  readonly record: (entry: ConnectionLog) => void;
}
