/** Builds DNS messages for the tests from their fields. */

interface Question {
  id?: number;
  name?: string;
  /** Instead of `name`: labels of any bytes. */
  labels?: Uint8Array[];
  type?: number;
  edns?: boolean;
}

const CLASS_IN = 1;
const u16 = (value: number) => [value >> 8, value & 255];

export function query({ id = 1, name = "", labels, type = 1, edns = false }: Question): Uint8Array {
  const parts = labels ?? (name === "" ? [] : name.split(".").map((label) => Buffer.from(label, "latin1")));
  return Uint8Array.from([
    ...u16(id),
    ...u16(0x0100),
    ...u16(1),
    ...u16(0),
    ...u16(0),
    ...u16(edns ? 1 : 0),
    ...parts.flatMap((label) => [label.length, ...label]),
    0,
    ...u16(type),
    ...u16(CLASS_IN),
    ...(edns ? [0, ...u16(41), ...u16(1232), 0, 0, 0, 0, ...u16(0)] : []),
  ]);
}

interface Answer {
  rcode?: number;
  truncated?: boolean;
  /** The text of one TXT record, at most 64 kB. Without it the answer has no record. */
  text?: string;
}

/** An answer to a query without EDNS: its question, and one TXT record if there is a text. */
export function answerTo(asked: Uint8Array, { rcode = 0, truncated = false, text }: Answer = {}): Uint8Array {
  const strings = text?.match(/.{1,255}/gs)?.flatMap((part) => [part.length, ...Buffer.from(part, "latin1")]) ?? [];
  const record =
    text === undefined
      ? []
      : [...u16(0xc00c), ...u16(16), ...u16(CLASS_IN), ...u16(0), ...u16(60), ...u16(strings.length), ...strings];
  const flags = 0x8180 | (truncated ? 0x0200 : 0) | rcode;
  return Uint8Array.from([
    ...asked.subarray(0, 2),
    ...u16(flags),
    ...u16(1),
    ...u16(text === undefined ? 0 : 1),
    ...u16(0),
    ...u16(0),
    ...asked.subarray(12),
    ...record,
  ]);
}
