/**
 * As much of a DNS message (RFC 1035 4.1) as forwarding needs: its header and its question.
 *
 * ID 16 | QR 1, Opcode 4, AA 1, TC 1, RD 1 | RA 1, Z 3, RCODE 4 | QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT 16 each
 */
export interface DnsHeader {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly truncated: boolean;
  readonly rcode: number;
  readonly questions: number;
}

export interface DnsQuestion {
  /** Escaped as in zone files (RFC 1035 5.1), without the dot at its end; "." for the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where the question ends in the message. */
  readonly end: number;
}

const DNS_HEADER_SIZE = 12;
const MAX_NAME = 255;
const MAX_LABEL = 63;

export const Rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

const RCODE_NAMES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: "A",
  2: "NS",
  5: "CNAME",
  6: "SOA",
  12: "PTR",
  15: "MX",
  16: "TXT",
  28: "AAAA",
  33: "SRV",
  35: "NAPTR",
  43: "DS",
  46: "RRSIG",
  48: "DNSKEY",
  64: "SVCB",
  65: "HTTPS",
  251: "IXFR",
  252: "AXFR",
  255: "ANY",
};

/** The answers to these are many messages (RFC 5936), which no resolver gives and this forwarder does not carry. */
export const ZONE_TRANSFERS: ReadonlySet<number> = new Set([251, 252]);

export function typeName(type: number): string {
  return TYPE_NAMES[type] ?? `TYPE${type}`;
}

export function rcodeName(rcode: number): string {
  return RCODE_NAMES[rcode] ?? `RCODE${rcode}`;
}

/** Reads the header; undefined for a message too short to have one. */
export function readDnsHeader(message: Uint8Array): DnsHeader | undefined {
  if (message.length < DNS_HEADER_SIZE) return undefined;
  const view = viewOf(message);
  const flags = view.getUint16(2);
  return {
    id: view.getUint16(0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    truncated: (flags & 0x0200) !== 0,
    rcode: flags & 15,
    questions: view.getUint16(4),
  };
}

/**
 * Reads the first question; undefined when it is cut short or its name is malformed. A compression pointer is
 * malformed here: in front of the first name there is nothing it could point to.
 */
export function readDnsQuestion(message: Uint8Array): DnsQuestion | undefined {
  const labels: string[] = [];
  let offset = DNS_HEADER_SIZE;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length > MAX_LABEL) return undefined;
    offset++;
    if (length === 0) break;
    if (offset + length > message.length) return undefined;
    labels.push(escapeLabel(message.subarray(offset, offset + length)));
    offset += length;
    // The octet of the root label is still to come.
    if (offset - DNS_HEADER_SIZE >= MAX_NAME) return undefined;
  }
  if (offset + 4 > message.length) return undefined;
  const view = viewOf(message);
  return {
    name: labels.length === 0 ? "." : labels.join("."),
    type: view.getUint16(offset),
    class: view.getUint16(offset + 2),
    end: offset + 4,
  };
}

function escapeLabel(label: Uint8Array): string {
  let text = "";
  for (const octet of label) {
    const character = String.fromCharCode(octet);
    if (/[A-Za-z0-9_*/-]/.test(character)) text += character;
    else if (octet > 32 && octet < 127) text += `\\${character}`;
    else text += `\\${octet.toString().padStart(3, "0")}`;
  }
  return text;
}

/** The same name (upper and lower case are the same), type and class. */
function sameQuestion(a: DnsQuestion, b: DnsQuestion): boolean {
  return a.type === b.type && a.class === b.class && a.name.toLowerCase() === b.name.toLowerCase();
}

/** A copy of the message under another id. */
export function withDnsId(message: Uint8Array, id: number): Uint8Array {
  // Not slice: a Buffer's is no copy.
  const copy = Uint8Array.from(message);
  viewOf(copy).setUint16(0, id);
  return copy;
}

/**
 * An answer to `query` that only says what went wrong: its id, opcode and RD flag, and its question where it could be
 * read. The query needs a header.
 */
export function errorAnswer(query: Uint8Array, rcode: number): Uint8Array {
  const question = readDnsQuestion(query);
  const answer = new Uint8Array(question?.end ?? DNS_HEADER_SIZE);
  answer.set(query.subarray(0, answer.length));
  const view = viewOf(answer);
  const flags = view.getUint16(2);
  view.setUint16(2, 0x8000 | (flags & 0x7900) | 0x0080 | rcode);
  view.setUint16(4, question === undefined ? 0 : 1);
  view.setUint16(6, 0);
  view.setUint32(8, 0);
  return answer;
}

/**
 * Whether `answer` can be the answer to `query`: a response under its id and with its question. An error may leave the
 * question out, as servers do that could not read it.
 */
export function answersQuery(query: Uint8Array, answer: Uint8Array): boolean {
  const asked = readDnsHeader(query);
  const header = readDnsHeader(answer);
  if (asked === undefined || header === undefined) return false;
  if (!header.response || header.id !== asked.id || header.opcode !== asked.opcode) return false;
  if (header.questions === 0) return header.rcode !== Rcode.NOERROR && header.rcode !== Rcode.NXDOMAIN;
  const question = readDnsQuestion(query);
  const echoed = readDnsQuestion(answer);
  return header.questions === 1 && question !== undefined && echoed !== undefined && sameQuestion(question, echoed);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
