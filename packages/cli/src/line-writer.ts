/** What a write came to: how many bytes were taken, and why not all of them. */
export interface Written {
  readonly bytes: number;
  /** The name of the errno. */
  readonly error?: string | undefined;
}

/** Writes bytes somewhere, all of them unless that fails. Never rejects. */
export type Sink = (bytes: Uint8Array) => Promise<Written>;

/** What may wait for a slow reader, in bytes. */
const MAX_WAITING = 4 * 1024 * 1024;
/** How much is written at once. */
const BATCH = 64 * 1024;

const NEWLINE = 10;

/**
 * Writes lines without ever waiting for their reader. One that has stopped reading costs some memory, then the lines it
 * did not read; one that is gone, or a disk that is full, costs the lines that could not be written. The program that
 * writes them goes on.
 */
export class LineWriter {
  readonly #sink: Sink;
  readonly #onTrouble: (message: string) => void;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #lost = 0;
  /** The errno of the last write, if it failed. It is reported once. */
  #trouble: string | undefined;
  /** Part of a line is written, the rest of it is lost. */
  #torn = false;

  /** @param onTrouble told when lines cannot be written, and of how many were lost once lines can be written again */
  constructor(sink: Sink, onTrouble: (message: string) => void) {
    this.#sink = sink;
    this.#onTrouble = onTrouble;
  }

  write(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#waitingBytes + bytes.length > MAX_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  /**
   * Waits until everything is written, or `patienceMs` have passed; then what is left is lost.
   *
   * @returns the errno of the last write if it failed
   */
  async end(patienceMs: number): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([this.#writing, patience]);
    clearTimeout(timer);
    this.#lost += this.#waiting.length;
    this.#tellLost();
    return this.#trouble;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#nextBatch();
      const repair = this.#torn ? [Uint8Array.of(NEWLINE)] : [];
      const bytes = Buffer.concat([...repair, ...lines]);
      const { bytes: written, error } = await this.#sink(bytes);
      for (const line of lines) this.#waitingBytes -= line.length;
      if (written > 0) this.#torn = bytes[written - 1] !== NEWLINE;
      if (error === undefined) {
        this.#trouble = undefined;
        this.#tellLost();
        continue;
      }
      this.#lost += lines.length - linesIn(bytes.subarray(repair.length, written));
      if (error !== this.#trouble) this.#onTrouble(`the log cannot be written: ${error}`);
      this.#trouble = error;
    }
    this.#writing = undefined;
  }

  #nextBatch(): Uint8Array[] {
    let size = 0;
    const count = this.#waiting.findIndex((line) => (size += line.length) > BATCH);
    return this.#waiting.splice(0, count < 0 ? this.#waiting.length : Math.max(count, 1));
  }

  #tellLost(): void {
    if (this.#lost > 0) this.#onTrouble(`lines of the log that were lost: ${this.#lost}`);
    this.#lost = 0;
  }
}

function linesIn(bytes: Uint8Array): number {
  return bytes.filter((byte) => byte === NEWLINE).length;
}
