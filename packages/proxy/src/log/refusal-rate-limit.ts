import type { ConnectionLog } from "./connection-log.ts";

/** Log lines per second about refusals: of one server, and of all unknown sources together. */
const LINES_PER_SECOND = { server: 100, unknownSources: 10 } as const;

/**
 * Limits the log lines about refused connections and queries. Otherwise a program that tries again and again, or any
 * address that reaches the ports, could fill the disk. The next line that passes says how many were left out.
 */
export class RefusalRateLimit {
  readonly #now: () => number;
  readonly #leftOut = new Map<string, number>();
  #passed = new Map<string, number>();
  #second = -1;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Undefined for a refusal over the limit. Otherwise the entry, with the number of lines left out before it.
   * Entries that are no refusals always pass.
   */
  filter(entry: ConnectionLog): ConnectionLog | undefined {
    if (!entry.outcome.startsWith("refused:")) return entry;
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) this.#passed = new Map();
    this.#second = second;
    const { server } = entry;
    const key = server === undefined ? "" : `${server.id} ${server.name}`;
    const passed = this.#passed.get(key) ?? 0;
    const leftOut = this.#leftOut.get(key) ?? 0;
    if (passed >= (server === undefined ? LINES_PER_SECOND.unknownSources : LINES_PER_SECOND.server)) {
      this.#leftOut.set(key, leftOut + 1);
      return undefined;
    }
    this.#passed.set(key, passed + 1);
    this.#leftOut.delete(key);
    return leftOut === 0 ? entry : { ...entry, unlogged: leftOut };
  }
}
