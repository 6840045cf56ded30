import type { Socket } from "node:net";
import type { Account } from "./limits/container-usage.ts";

export interface PipeHooks {
  /** Something moved: bytes came, went, or one side finished. */
  readonly onActivity: () => void;
  /** Sees the bytes as they pass. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * One direction of a connection: every byte read from one socket is written to the other one, and the end after them.
 *
 * While the other side does not take what was written, nothing is read, so what the proxy holds for a direction is at
 * most one read waiting to be written and one read ahead by the runtime: twice 512 KiB in Bun, twice 64 KiB in Node.
 * The kernel's own socket buffers come on top of that.
 */
export class Pipe {
  readonly #from: Socket;
  readonly #account: Account;
  #bytes = 0;
  #held = 0;
  #throttled = false;

  /** `from` has to be paused; it is read from once `start` is called. */
  constructor(from: Socket, to: Socket, account: Account, { onActivity, onBytes }: PipeHooks) {
    this.#from = from;
    this.#account = account;
    from.on("data", (chunk: Buffer) => {
      onActivity();
      this.#bytes += chunk.length;
      onBytes?.(chunk);
      // Bytes for a side that is gone have nowhere to go; its close or error is on the way.
      if (to.writable && !to.write(chunk)) this.#hold(to.writableLength);
    });
    from.on("end", () => {
      onActivity();
      to.end();
    });
    to.on("drain", () => {
      onActivity();
      this.#hold(0);
    });
    to.on("close", () => this.#hold(0));
  }

  /** Payload bytes read so far. */
  get bytes(): number {
    return this.#bytes;
  }

  start(): void {
    this.#account.join(this);
    this.#flow();
  }

  /** Stops counting and being throttled; the sockets are closed or about to be. */
  finish(): void {
    this.#account.leave(this);
    this.#hold(0);
  }

  throttle(on: boolean): void {
    this.#throttled = on;
    this.#flow();
  }

  #hold(bytes: number): void {
    const change = bytes - this.#held;
    this.#held = bytes;
    // Before the account: it may throttle this pipe, which must not resume it.
    this.#flow();
    if (change !== 0) this.#account.buffer(change);
  }

  #flow(): void {
    if (this.#from.destroyed) return;
    if (this.#held > 0 || this.#throttled) this.#from.pause();
    else this.#from.resume();
  }
}
