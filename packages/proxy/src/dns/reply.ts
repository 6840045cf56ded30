import type { Outcome } from "../log/connection-log.ts";
import { errorAnswer, rcodeName } from "./message.ts";

/** The reply to one query, and what is logged about it. */
export interface DnsReply {
  /** The message to send; undefined when no message is sent. */
  readonly answer: Uint8Array | undefined;
  readonly outcome: Outcome;
  readonly rcode?: string;
  /** The resolver that gave the answer. */
  readonly resolver?: string;
}

/** A reply that consists of a response code only. */
export function errorReply(query: Uint8Array, rcode: number, outcome: Outcome): DnsReply {
  return { answer: errorAnswer(query, rcode), outcome, rcode: rcodeName(rcode) };
}
