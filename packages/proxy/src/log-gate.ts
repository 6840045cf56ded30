import type { ConnectionLog } from "./connection-log.ts";

/** Lines per second about strangers. */
const RATE = 10;

/**
 * Lets every line about a known server through, but only some about strangers: anybody who can reach the ports could
 * fill the disk otherwise. All of them are counted all the same.
 */
export class LogGate {
  readonly #now: () => number;
  #second = -1;
  #passed = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  passes(entry: ConnectionLog): boolean {
    if (entry.server !== undefined || !entry.outcome.startsWith("refused:")) return true;
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#passed = 0;
    }
    return this.#passed++ < RATE;
  }
}
