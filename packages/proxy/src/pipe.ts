import type { Socket } from "node:net";
import type { ContainerUsage, ThrottledReader } from "./limits/container-usage.ts";

export interface PipeHooks {
  /** Called when bytes were read or written, and when a side finished. */
  readonly onActivity: () => void;
  /** Called with the bytes that pass. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * One direction of a connection: every byte read from one socket is written to the other one, and then the end.
 *
 * The pipe does not read while the other side has not taken what was written. So it holds at most one read that waits
 * to be written and one read ahead by the runtime: twice 512 KiB in Bun, twice 64 KiB in Node. The kernel's socket
 * buffers come on top of that.
 */
export class Pipe implements ThrottledReader {
  readonly #from: Socket;
  readonly #usage: ContainerUsage;
  #bytes = 0;
  #unwritten = 0;
  #throttled = false;

  /** `from` must be paused; the pipe reads from it after `start`. */
  constructor(from: Socket, to: Socket, usage: ContainerUsage, { onActivity, onBytes }: PipeHooks) {
    this.#from = from;
    this.#usage = usage;
    from.on("data", (chunk: Buffer) => {
      onActivity();
      this.#bytes += chunk.length;
      onBytes?.(chunk);
      // When the other side is closed, the bytes are dropped; its `close` or `error` event follows.
      if (to.writable && !to.write(chunk)) this.#setUnwritten(to.writableLength);
    });
    from.on("end", () => {
      onActivity();
      to.end();
    });
    to.on("drain", () => {
      onActivity();
      this.#setUnwritten(0);
    });
    to.on("close", () => this.#setUnwritten(0));
  }

  /** Payload bytes read so far. */
  get bytes(): number {
    return this.#bytes;
  }

  start(): void {
    this.#usage.addReader(this);
    this.#pauseOrResume();
  }

  /** Stops counting and throttling. To be called when the sockets are closed or about to be. */
  finish(): void {
    this.#usage.removeReader(this);
    this.#setUnwritten(0);
  }

  throttle(on: boolean): void {
    this.#throttled = on;
    this.#pauseOrResume();
  }

  #setUnwritten(bytes: number): void {
    const change = bytes - this.#unwritten;
    this.#unwritten = bytes;
    // Before the count: it may throttle this pipe, which must not resume afterwards.
    this.#pauseOrResume();
    if (change !== 0) this.#usage.addBufferedBytes(change);
  }

  #pauseOrResume(): void {
    if (this.#from.destroyed) return;
    if (this.#unwritten > 0 || this.#throttled) this.#from.pause();
    else this.#from.resume();
  }
}
