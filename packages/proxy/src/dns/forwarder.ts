import type { Endpoint } from "../ipv4.ts";
import type { ProxyLimits } from "../limits/limits.ts";
import type { Outcome } from "../log/connection-log.ts";
import { type Exchange, exchangeTcp, exchangeUdp } from "./exchange.ts";
import {
  type DnsQuestion,
  errorAnswer,
  Rcode,
  readDnsHeader,
  readDnsQuestion,
  rcodeName,
  ZONE_TRANSFERS,
} from "./message.ts";
import { formatResolver, type ResolverList } from "./resolver-list.ts";

export interface DnsReply {
  /** What to send back; undefined when nothing should be. */
  readonly answer: Uint8Array | undefined;
  readonly outcome: Outcome;
  readonly rcode?: string;
  readonly resolver?: string;
}

/** A query that may be forwarded, or the reply to one that may not. */
export type Screened = { readonly question: DnsQuestion; readonly reply?: undefined } | { readonly reply: DnsReply };

const QUERY = 0;
/** Each resolver is asked this often before the query is given up, if there is time. */
const ROUNDS = 2;
/** A resolver that says so may just be the wrong one to ask; the next one may know. As glibc does. */
const ASK_ANOTHER: ReadonlySet<number> = new Set([Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED]);

/**
 * Looks at a message before it is forwarded. What is no query gets no answer (answering answers could go on for ever);
 * a query nobody can forward gets one that says so.
 */
export function screenQuery(message: Uint8Array): Screened {
  const header = readDnsHeader(message);
  if (header === undefined || header.response) {
    return { reply: { answer: undefined, outcome: "refused:malformed" } };
  }
  if (header.opcode !== QUERY) return refusal(message, Rcode.NOTIMP);
  const question = header.questions === 1 ? readDnsQuestion(message) : undefined;
  if (question === undefined) return refusal(message, Rcode.FORMERR);
  return ZONE_TRANSFERS.has(question.type) ? refusal(message, Rcode.REFUSED) : { question };
}

function refusal(query: Uint8Array, rcode: number): Screened {
  return { reply: errorReply(query, rcode, "refused:malformed") };
}

export function errorReply(query: Uint8Array, rcode: number, outcome: Outcome): DnsReply {
  return { answer: errorAnswer(query, rcode), outcome, rcode: rcodeName(rcode) };
}

/** Forwards queries to the resolvers, one after the other until one answers. */
export class DnsForwarder {
  readonly #resolvers: ResolverList;
  readonly #limits: ProxyLimits;

  constructor(resolvers: ResolverList, limits: ProxyLimits) {
    this.#resolvers = resolvers;
    this.#limits = limits;
  }

  /**
   * The answer to a screened query. Answers are passed on as they are, truncated ones too: over UDP the client sees TC
   * and asks again over TCP, and a query that came over TCP is forwarded over TCP.
   */
  async forward(query: Uint8Array, transport: "tcp" | "udp"): Promise<DnsReply> {
    const exchange: Exchange = transport === "udp" ? exchangeUdp : exchangeTcp;
    const deadline = performance.now() + this.#limits.queryTimeoutMs;
    const resolvers = this.#resolvers.inOrder();
    // A few resolvers are waited for longer than many: all of the time is theirs.
    const patience = Math.max(
      this.#limits.resolverTimeoutMs,
      this.#limits.queryTimeoutMs / (ROUNDS * resolvers.length),
    );
    let unhelpful: DnsReply | undefined;
    let failure = resolvers.length === 0 ? "NO_RESOLVER" : "timeout";
    // A resolver that answered "not me" is not asked again.
    const candidates = new Set<Endpoint>(resolvers);
    for (let round = 0; round < ROUNDS; round++) {
      for (const resolver of candidates) {
        const timeout = Math.min(patience, deadline - performance.now());
        if (timeout <= 0) break;
        const result = await exchange(resolver, query, timeout);
        if ("failure" in result) {
          failure = result.failure;
          this.#resolvers.failed(resolver);
          continue;
        }
        const rcode = readDnsHeader(result)?.rcode ?? Rcode.SERVFAIL;
        const reply: DnsReply = {
          answer: result,
          outcome: "answered",
          rcode: rcodeName(rcode),
          resolver: formatResolver(resolver),
        };
        this.#resolvers.answered(resolver);
        if (!ASK_ANOTHER.has(rcode)) return reply;
        unhelpful ??= reply;
        candidates.delete(resolver);
      }
    }
    return (
      unhelpful ??
      errorReply(query, Rcode.SERVFAIL, failure === "timeout" ? "timeout:dns" : `connect-failed:${failure}`)
    );
  }
}
