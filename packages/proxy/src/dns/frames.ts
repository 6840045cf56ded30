/** Puts DNS messages together from the bytes of a TCP connection. Holds at most one incomplete message. */
export class DnsFrameReader {
  readonly #max: number;
  #rest: Uint8Array = new Uint8Array(0);
  #oversized = false;

  /** `max`: the longest message taken, by default any that the 16-bit length (RFC 1035 4.2.2) can say. */
  constructor(max = 65535) {
    this.#max = max;
  }

  /** A longer message was announced; nothing more is read. */
  get oversized(): boolean {
    return this.#oversized;
  }

  /** The messages completed by these bytes. */
  push(bytes: Uint8Array): Uint8Array[] {
    let data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const messages: Uint8Array[] = [];
    while (data.length >= 2) {
      const length = ((data[0] as number) << 8) | (data[1] as number);
      this.#oversized ||= length > this.#max;
      if (this.#oversized || data.length < 2 + length) break;
      messages.push(Uint8Array.from(data.subarray(2, 2 + length)));
      data = data.subarray(2 + length);
    }
    // A copy, so that a few bytes left over do not keep a whole read alive.
    this.#rest = this.#oversized ? new Uint8Array(0) : Uint8Array.from(data);
    return messages;
  }
}

/** The message with its length in front. */
export function dnsFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(2 + message.length);
  new DataView(frame.buffer).setUint16(0, message.length);
  frame.set(message, 2);
  return frame;
}
