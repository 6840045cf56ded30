import type { ServerIdentity } from "./log/connection-log.ts";

/** How long an address may be nobody's before what is open under it is closed: the datapath may be being replaced. */
const PATIENCE_MS = 3000;

type Identify = (address: string) => ServerIdentity | undefined;

/**
 * Notices servers that were removed while they had connections open. Nobody tells the host's sockets; and the address
 * may be given to another server, which must not get what was on its way to the one before.
 */
export class Departures {
  readonly #identify: Identify;
  #nobodySince = new Map<string, number>();

  /** `identify` may throw: not knowing ends nothing. */
  constructor(identify: Identify) {
    this.#identify = identify;
  }

  /** Looks each address up once. Whether the server that opened something at an address has gone from there. */
  look(now: number): (address: string, server: ServerIdentity | undefined) => boolean {
    const before = this.#nobodySince;
    const since = new Map<string, number>();
    this.#nobodySince = since;
    const found = new Map<string, ServerIdentity | undefined | "unknown">();
    return (address, server) => {
      if (server === undefined) return false;
      if (!found.has(address)) found.set(address, this.#find(address));
      const there = found.get(address);
      if (there === "unknown") return false;
      if (there !== undefined) return there.name !== server.name || there.port !== server.port;
      const start = before.get(address) ?? now;
      since.set(address, start);
      return now - start >= PATIENCE_MS;
    };
  }

  #find(address: string): ServerIdentity | undefined | "unknown" {
    try {
      return this.#identify(address);
    } catch {
      return "unknown";
    }
  }
}
