import { readFileSync } from "node:fs";
import { DatapathError } from "@dp/sys";

/** The limits of one container, and of all containers together. */
export interface ProxyLimits {
  /** Open connections of one container, DNS over TCP included. Default 512. */
  readonly connectionsPerServer: number;
  /** DNS queries of one container that wait for an answer. Default 128. */
  readonly queriesPerServer: number;
  /**
   * New connections of one container per second on average, and the same number of DNS queries; ten seconds' worth at
   * once. One container must not use up the host's ports towards a destination that others need too, nor a resolver's
   * rate limit for the host. Default 100.
   */
  readonly ratePerServer: number;
  /**
   * Bytes of one container's connections that the proxy holds in memory before it stops reading from all of them.
   * Default 32 MiB. It is exceeded by at most one read per connection: 512 KiB in Bun for the first sixteen
   * connections, and less for each of more connections.
   */
  readonly bufferedBytesPerServer: number;
  /**
   * Descriptors for all connections (two each) and queries (one each). One container gets at most half of them.
   * Default: RLIMIT_NOFILE less 128.
   */
  readonly descriptors: number;
  /** How long to wait for the destination to accept, in milliseconds. Default 10 s. */
  readonly connectTimeoutMs: number;
  /** How long a connection may carry no bytes in either direction, in milliseconds. Default 1 h. */
  readonly idleTimeoutMs: number;
  /** Idle time before TCP keepalive probes are sent to both sides, in milliseconds. Default 60 s. */
  readonly keepAliveMs: number;
  /** The shortest time given to one resolver before the next one is asked, in milliseconds. Default 1.5 s. */
  readonly resolverTimeoutMs: number;
  /** The longest time for a DNS query, all resolvers included, in milliseconds. Default 6 s. */
  readonly queryTimeoutMs: number;
  /** How long a DNS connection may carry no bytes, in milliseconds. Default 30 s. */
  readonly dnsIdleTimeoutMs: number;
  /** How long `stop` waits for open connections to finish, in milliseconds. Default 5 s. */
  readonly drainMs: number;
}

const DEFAULTS: Omit<ProxyLimits, "descriptors"> = {
  connectionsPerServer: 512,
  queriesPerServer: 128,
  ratePerServer: 100,
  bufferedBytesPerServer: 32 * 1024 * 1024,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 3_600_000,
  keepAliveMs: 60_000,
  resolverTimeoutMs: 1500,
  queryTimeoutMs: 6000,
  dnsIdleTimeoutMs: 30_000,
  drainMs: 5000,
};

/** Descriptors for the rest of the process: the runtime, the listeners, the log, the pinned maps. */
const RESERVED_DESCRIPTORS = 128;

/**
 * The given limits, and the defaults for those not given.
 *
 * @throws DatapathError `BAD_USAGE` for a limit that is not a positive whole number (`drainMs` may be 0)
 */
export function completeLimits(given: Partial<ProxyLimits> = {}): ProxyLimits {
  const limits: Record<string, number> = { ...DEFAULTS, descriptors: defaultDescriptors() };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const least = name === "drainMs" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new DatapathError("BAD_USAGE", "start the proxy", `the limit ${name} is ${value}`, {
        hint: `give a whole number, ${least} or more`,
      });
    }
    limits[name] = value;
  }
  return limits as unknown as ProxyLimits;
}

function defaultDescriptors(): number {
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 1024);
  return Math.max(soft - RESERVED_DESCRIPTORS, 16);
}
