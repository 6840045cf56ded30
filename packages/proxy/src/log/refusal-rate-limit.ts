import type { ConnectionLog } from "./connection-log.ts";

/** Lines per second about all strangers together, and about what one server is refused. */
const RATES = { strangers: 10, server: 100 } as const;

/**
 * Lets every line about what a server was given through, but only some about what was refused: a program that tries
 * again and again, or anybody who can reach the ports, could fill the disk otherwise. All are counted all the same, and
 * the next line that passes says how many did not.
 */
export class LogGate {
  readonly #now: () => number;
  readonly #held = new Map<string, number>();
  #passed = new Map<string, number>();
  #second = -1;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The entry, with the number of those before it that did not pass; undefined if it does not pass itself. */
  pass(entry: ConnectionLog): ConnectionLog | undefined {
    if (!entry.outcome.startsWith("refused:")) return entry;
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) this.#passed = new Map();
    this.#second = second;
    const { server } = entry;
    const key = server === undefined ? "" : `${server.port} ${server.name}`;
    const passed = this.#passed.get(key) ?? 0;
    const held = this.#held.get(key) ?? 0;
    if (passed >= (server === undefined ? RATES.strangers : RATES.server)) {
      this.#held.set(key, held + 1);
      return undefined;
    }
    this.#passed.set(key, passed + 1);
    this.#held.delete(key);
    return held === 0 ? entry : { ...entry, unlogged: held };
  }
}
