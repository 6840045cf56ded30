/** Text in fields of fixed size: `char[N]`. */
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `char[length]`: UTF-8 up to the first NUL. Bytes that are no UTF-8 read as U+FFFD: a name is for people. */
export function getText(view: DataView, offset: number, length: number): string {
  let end = 0;
  while (end < length && view.getUint8(offset + end) !== 0) end++;
  // Most fields of text are empty: those are not worth the decoder's call.
  return end === 0 ? "" : decoder.decode(new Uint8Array(view.buffer, view.byteOffset + offset, end));
}

/** Keeps room for the terminating NUL, so that C may treat the field as a string. */
export function setText(view: DataView, offset: number, length: number, value: string, what: string): void {
  const bytes = encoder.encode(value);
  if (bytes.byteLength >= length) {
    throw new RangeError(`${what}: ${JSON.stringify(value)} is ${bytes.byteLength} bytes, at most ${length - 1} fit`);
  }
  if (value.includes("\0") || decoder.decode(bytes) !== value) {
    throw new RangeError(`${what}: ${JSON.stringify(value)} holds a NUL or half a character`);
  }
  new Uint8Array(view.buffer, view.byteOffset + offset, length).set(bytes);
}
