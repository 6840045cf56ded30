import { printableLine } from "./style.ts";

/** The result of a write: how many bytes were written, and why not all of them. */
export interface Written {
  readonly bytes: number;
  /** The name of the errno. */
  readonly error?: string | undefined;
}

/** Writes bytes somewhere, all of them unless that fails. Never rejects. */
export type Sink = (bytes: Uint8Array) => Promise<Written>;

/** The limit of what is kept for a slow reader, in bytes. */
const MAX_WAITING = 4 * 1024 * 1024;
/** The size of one write, in bytes. */
const BATCH = 64 * 1024;

const NEWLINE = 10;

/**
 * Writes lines without waiting for their reader. While the reader does not read, lines are kept up to a limit; later
 * ones are lost. Lines are also lost when the reader is gone or the disk is full. Lost lines are counted and reported.
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

  /** @param onTrouble called when lines cannot be written, and with the number of lost lines when they can be again */
  constructor(sink: Sink, onTrouble: (message: string) => void) {
    this.#sink = sink;
    this.#onTrouble = onTrouble;
  }

  write(line: string): void {
    const bytes = Buffer.from(`${printableLine(line)}\n`);
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
