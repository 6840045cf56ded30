import { networkInterfaces } from "node:os";
import { parseIpv4 } from "./ipv4.ts";

/** How old the list may get. Short enough for a server that was just added, long enough to cost nothing. */
const MAX_AGE_MS = 2000;

/**
 * The IPv4 addresses of the host, read again when they are asked for and stale. A connection that slips through in
 * between is caught once it is established: its two ends then have the same address.
 */
export class OwnAddresses {
  readonly #read: () => Set<string>;
  readonly #now: () => number;
  #addresses = new Set<string>();
  #readAt = -Infinity;

  constructor(read: () => Set<string> = readAddresses, now: () => number = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  /** True for an address of an interface, all of 127.0.0.0/8, and 0.0.0.0/8, which Linux takes for the host. */
  has(address: string): boolean {
    if (isAlwaysLocal(address)) return true;
    if (this.#now() - this.#readAt > MAX_AGE_MS) {
      this.#addresses = this.#read();
      this.#readAt = this.#now();
    }
    return this.#addresses.has(address);
  }
}

function isAlwaysLocal(address: string): boolean {
  const number = parseIpv4(address);
  return number !== undefined && (number >>> 24 === 127 || number >>> 24 === 0);
}

function readAddresses(): Set<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(addresses.filter(({ family }) => family === "IPv4").map(({ address }) => address));
}
