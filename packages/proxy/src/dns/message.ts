/**
 * The parts of a DNS message (RFC 1035 4.1) that forwarding needs: the header and the question.
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
  /** Escaped as in zone files (RFC 1035 5.1), without the final dot; "." for the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Offset of the end of the question in the message. */
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

/** Query types whose answers have several messages (RFC 5936). Resolvers do not answer them, so they are refused. */
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
 * Reads the first question; undefined when it is truncated or its name is malformed. A compression pointer is malformed
 * here: no name precedes the first one.
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
    // The octet of the root label follows.
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

/** The same type and class, and the same name without regard to case. */
function sameQuestion(a: DnsQuestion, b: DnsQuestion): boolean {
  return a.type === b.type && a.class === b.class && a.name.toLowerCase() === b.name.toLowerCase();
}

/** A copy of the message with another id. */
export function withDnsId(message: Uint8Array, id: number): Uint8Array {
  // Not `slice`: that of a Buffer does not copy.
  const copy = Uint8Array.from(message);
  viewOf(copy).setUint16(0, id);
  return copy;
}

/**
 * An answer to `query` with a response code only: it has the id, the opcode and the RD flag of the query, and its
 * question when that can be read. The query must have a header.
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
 * Whether `answer` can be the answer to `query`: a response with the same id and question. An error may omit the
 * question: a server that cannot read the question does.
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
