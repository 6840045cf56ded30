import { readFileSync } from "node:fs";
import { DatapathError } from "@dp/sys";

/** How much of what one container, and all together, may have. */
export interface ProxyLimits {
  /** Connections one container may have at a time, DNS over TCP included. Default 512. */
  readonly connectionsPerServer: number;
  /** DNS queries of one container that may wait for an answer at a time. Default 128. */
  readonly queriesPerServer: number;
  /**
   * Connections, and beside them DNS queries, that one container may open in a second on average; ten seconds' worth at
   * once. One container alone must not use up the host's ports towards a destination all others need too, nor what a
   * resolver answers to the host. Default 100.
   */
  readonly ratePerServer: number;
  /**
   * Bytes of one container's connections the proxy holds in memory before it stops reading from all of them. Default
   * 32 MiB. Passed by one read for each connection, which is 512 KiB in Bun for the first sixteen connections, and the
   * less the more there are.
   */
  readonly bufferedBytesPerServer: number;
  /**
   * Descriptors all connections (two each) and queries (one each) may use, one container half of them. Default:
   * RLIMIT_NOFILE less 128.
   */
  readonly descriptors: number;
  /** How long to wait for the destination to accept, in milliseconds. Default 10 s. */
  readonly connectTimeoutMs: number;
  /** How long a connection may carry nothing in either direction, in milliseconds. Default 1 h. */
  readonly idleTimeoutMs: number;
  /** Idle time after which TCP keepalive probes are sent to both sides, in milliseconds. Default 60 s. */
  readonly keepAliveMs: number;
  /** How long one resolver has at least to answer before the next one is asked, in milliseconds. Default 1.5 s. */
  readonly resolverTimeoutMs: number;
  /** How long a DNS query may take altogether, in milliseconds. Default 6 s. */
  readonly queryTimeoutMs: number;
  /** How long a DNS connection may carry nothing, in milliseconds. Default 30 s. */
  readonly dnsIdleTimeoutMs: number;
  /** How long `stop` lets connections finish, in milliseconds. Default 5 s. */
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

/** Descriptors left to the rest of the process: the runtime, the listeners, the log, the pinned maps. */
const RESERVED_DESCRIPTORS = 128;

/** The defaults with the given ones in their place. Throws `DatapathError` BAD_USAGE for one that is not positive. */
export function completeLimits(given: Partial<ProxyLimits> = {}): ProxyLimits {
  const limits: Record<string, number> = { ...DEFAULTS, descriptors: defaultDescriptors() };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < (name === "drainMs" ? 0 : 1)) {
      throw new DatapathError("BAD_USAGE", "start the proxy", `the limit ${name} is not a positive whole number`);
    }
    limits[name] = value;
  }
  return limits as unknown as ProxyLimits;
}

function defaultDescriptors(): number {
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 1024);
  return Math.max(soft - RESERVED_DESCRIPTORS, 16);
}
