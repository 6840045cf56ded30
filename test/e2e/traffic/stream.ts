/**
 * A stream of bytes with its SHA-256, to be sent through one TCP connection and checked at the other end.
 *
 * Every block carries its number, so that blocks lost, doubled or swapped change the digest too.
 */
const BLOCK = 1 << 20;

export const DIGEST_LENGTH = 64;

export class Source {
  readonly #block = new Uint8Array(BLOCK);
  readonly #hash = new Bun.CryptoHasher("sha256");
  #left: number;
  #number = 0;
  #pending: Uint8Array = new Uint8Array(0);
  /** SHA-256 of what was sent, in hexadecimal; empty until all of it was. */
  digest = "";

  constructor(bytes: number) {
    this.#left = bytes;
    // xorshift32: incompressible, and the same at every run.
    const words = new Uint32Array(this.#block.buffer);
    let state = 0x2545f491;
    for (let index = 0; index < words.length; index++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[index] = state;
    }
  }

  /** Sends as much as the socket takes: the bytes, then their digest in hexadecimal. True when all is sent. */
  pump(socket: { write(bytes: Uint8Array): number }): boolean {
    for (;;) {
      if (this.#pending.length === 0 && !this.#next()) return true;
      const written = socket.write(this.#pending);
      if (written < 0) return true; // closed
      this.#pending = this.#pending.subarray(written);
      if (this.#pending.length > 0) return false;
    }
  }

  #next(): boolean {
    if (this.#left === 0) {
      if (this.digest !== "") return false;
      this.digest = this.#hash.digest("hex");
      this.#pending = new TextEncoder().encode(this.digest);
      return true;
    }
    new DataView(this.#block.buffer).setUint32(0, this.#number++);
    this.#pending = this.#block.subarray(0, Math.min(BLOCK, this.#left));
    this.#left -= this.#pending.length;
    this.#hash.update(this.#pending);
    return true;
  }
}

export class Sink {
  readonly #hash = new Bun.CryptoHasher("sha256");
  #left: number;
  #announced = "";

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes what has arrived. Both digests when it was the last of it: what was received, and what was sent. */
  take(chunk: Uint8Array): { received: string; sent: string } | undefined {
    const body = chunk.subarray(0, Math.min(chunk.length, this.#left));
    this.#hash.update(body);
    this.#left -= body.length;
    this.#announced += new TextDecoder("latin1").decode(chunk.subarray(body.length));
    if (this.#announced.length < DIGEST_LENGTH) return undefined;
    return { received: this.#hash.digest("hex"), sent: this.#announced };
  }
}
