/** Text in fields of fixed size: `char[N]`. */
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `char[length]`: UTF-8 up to the first NUL. Bytes that are no UTF-8 read as U+FFFD: a name is for people. */
export function getText(view: DataView, offset: number, length: number): string {
  // Names are short and almost always ASCII, for which the decoder's call takes longer than its work.
  let text = "";
  for (let index = 0; index < length; index++) {
    const byte = view.getUint8(offset + index);
    if (byte === 0) return text;
    if (byte > 0x7f) return decode(new Uint8Array(view.buffer, view.byteOffset + offset, length));
    text += String.fromCharCode(byte);
  }
  return text;
}

function decode(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
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
