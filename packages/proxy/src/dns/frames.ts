/** Reads the DNS messages of a TCP connection. Holds at most one incomplete message. */
export class DnsFrameReader {
  readonly #max: number;
  #rest: Uint8Array = new Uint8Array(0);
  #oversized = false;

  /** `max`: the longest message that is read. Default: 65535, the largest 16-bit length (RFC 1035 4.2.2). */
  constructor(max = 65535) {
    this.#max = max;
  }

  /** A message was longer than `max`; no more messages are read. */
  get oversized(): boolean {
    return this.#oversized;
  }

  /** Returns the messages that these bytes complete. */
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
    // A copy, so that a few remaining bytes do not keep the memory of a whole read.
    this.#rest = this.#oversized ? new Uint8Array(0) : Uint8Array.from(data);
    return messages;
  }
}

/** The message with its length as a prefix, as TCP needs it. */
export function dnsFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(2 + message.length);
  new DataView(frame.buffer).setUint16(0, message.length);
  frame.set(message, 2);
  return frame;
}
