import type { Writable } from "node:stream";

/** What may wait for a slow reader, in characters. */
const MAX_WAITING = 4 * 1024 * 1024;

/**
 * Writes lines to a stream without ever waiting for its reader: one that has stopped reading costs some memory, then
 * the lines it did not read, and never the program that writes them.
 */
export class LineWriter {
  readonly #stream: Writable;
  readonly #onLoss: (lines: number) => void;
  #waiting = 0;
  #lost = 0;

  /** @param onLoss told of how many lines were lost, once lines are written again */
  constructor(stream: Writable, onLoss: (lines: number) => void) {
    this.#stream = stream;
    this.#onLoss = onLoss;
  }

  write(line: string): void {
    if (this.#waiting > MAX_WAITING) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) {
      this.#onLoss(this.#lost);
      this.#lost = 0;
    }
    this.#waiting += line.length;
    this.#stream.write(`${line}\n`, () => {
      this.#waiting -= line.length;
    });
  }
}
