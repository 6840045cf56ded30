import type { ServerIdentity } from "./log/connection-log.ts";

/**
 * How long an address may belong to no server before its connections are closed. While the datapath is replaced, the
 * lookup finds no server for a moment.
 */
const GRACE_MS = 3000;

type Identify = (address: string) => ServerIdentity | undefined;

/**
 * Detects servers that were removed while they had connections open. Removing a server does not close the proxy's
 * sockets, and its address may be given to another server, which must not receive what was sent to the first one.
 */
export class RemovedServers {
  readonly #identify: Identify;
  /** Since when each address belongs to no server. */
  #missingSince = new Map<string, number>();

  /** An error of `identify` closes no connection. */
  constructor(identify: Identify) {
    this.#identify = identify;
  }

  /**
   * Starts a check of all connections. The returned function says whether the server that opened a connection from
   * `address` was removed; it looks each address up once.
   */
  startCheck(now: number): (address: string, server: ServerIdentity | undefined) => boolean {
    const missingBefore = this.#missingSince;
    const missingNow = new Map<string, number>();
    this.#missingSince = missingNow;
    const found = new Map<string, ServerIdentity | undefined | "unknown">();
    return (address, server) => {
      if (server === undefined) return false;
      if (!found.has(address)) found.set(address, this.#lookUp(address));
      const current = found.get(address);
      if (current === "unknown") return false;
      // The name too: the id of a removed server may have been given to its successor.
      if (current !== undefined) return current.id !== server.id || current.name !== server.name;
      const since = missingBefore.get(address) ?? now;
      missingNow.set(address, since);
      return now - since >= GRACE_MS;
    };
  }

  #lookUp(address: string): ServerIdentity | undefined | "unknown" {
    try {
      return this.#identify(address);
    } catch {
      return "unknown";
    }
  }
}
