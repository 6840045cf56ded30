import { type DnsQuestion, Rcode, readDnsHeader, readDnsQuestion, ZONE_TRANSFERS } from "./message.ts";
import { type DnsReply, errorReply } from "./reply.ts";

/** The question of a query that may be forwarded, or the reply to a message that may not. */
export type CheckedQuery =
  | { readonly question: DnsQuestion; readonly reply?: undefined }
  | { readonly reply: DnsReply };

const OPCODE_QUERY = 0;

/**
 * Checks a message before it is forwarded. A message that is no query gets no answer: two programs that answer each
 * other's answers would never stop. A query that cannot be forwarded gets an error as its answer.
 */
export function checkQuery(message: Uint8Array): CheckedQuery {
  const header = readDnsHeader(message);
  if (header === undefined || header.response) {
    return { reply: { answer: undefined, outcome: "refused:malformed" } };
  }
  if (header.opcode !== OPCODE_QUERY) return refusal(message, Rcode.NOTIMP);
  const question = header.questions === 1 ? readDnsQuestion(message) : undefined;
  if (question === undefined) return refusal(message, Rcode.FORMERR);
  return ZONE_TRANSFERS.has(question.type) ? refusal(message, Rcode.REFUSED) : { question };
}

function refusal(query: Uint8Array, rcode: number): CheckedQuery {
  return { reply: errorReply(query, rcode, "refused:malformed") };
}
