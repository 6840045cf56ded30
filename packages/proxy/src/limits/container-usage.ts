import { Turns } from "./turns.ts";

/** The largest buffer a connection is limited to. With the default budget, sixteen connections have no limit. */
const MAX_SOCKET_BUFFER = 1024 * 1024;
const MIN_SOCKET_BUFFER = 16 * 1024;

/** Of one container: with a resolver that answers in 20 ms, 400 queries per second. */
const QUERIES_AT_ONCE = 8;

/** An object that reads from a container's connection and can be told to pause. */
export interface ThrottledReader {
  throttle(on: boolean): void;
}

/** What one container uses: its connections, its DNS queries and the bytes the proxy holds in memory for them. */
export class ContainerUsage {
  readonly address: string;
  connections = 0;
  queries = 0;
  /** Of its queries. */
  readonly turns = new Turns(QUERIES_AT_ONCE);
  readonly #budget: number;
  readonly #readers = new Set<ThrottledReader>();
  #bufferedBytes = 0;
  #throttled = false;

  /** `budget`: the bytes the proxy holds in memory before it pauses all readers of the container. */
  constructor(address: string, budget: number) {
    this.address = address;
    this.#budget = budget;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * The limit, in bytes, of each kernel buffer of a new connection. Undefined means that the kernel chooses. The more
   * connections a container has, the smaller the limit: few connections are as fast as without a proxy, and many
   * together hold no more memory than a few.
   */
  get socketBufferLimit(): number | undefined {
    const share = Math.floor(this.#budget / (2 * this.connections));
    return share < MAX_SOCKET_BUFFER ? Math.max(share, MIN_SOCKET_BUFFER) : undefined;
  }

  /** Adds a reader that is throttled while the container is over its budget. */
  addReader(reader: ThrottledReader): void {
    this.#readers.add(reader);
    if (this.#throttled) reader.throttle(true);
  }

  removeReader(reader: ThrottledReader): void {
    this.#readers.delete(reader);
  }

  /** Counts bytes that were read and not yet written to the other side; a negative number for those that were. */
  addBufferedBytes(bytes: number): void {
    this.#bufferedBytes += bytes;
    const throttled = this.#bufferedBytes > this.#budget;
    if (throttled === this.#throttled) return;
    this.#throttled = throttled;
    for (const reader of this.#readers) reader.throttle(throttled);
  }
}
