import type { Endpoint } from "../endpoint.ts";
import type { ProxyLimits } from "../limits/limits.ts";
import { type Exchange, exchangeTcp, exchangeUdp } from "./exchange.ts";
import { Rcode, rcodeName, readDnsHeader } from "./message.ts";
import { type DnsReply, errorReply } from "./reply.ts";
import { formatResolver, type ResolverList } from "./resolver-list.ts";

/** How often each resolver is asked at most. */
const ROUNDS = 2;
/** After these response codes the next resolver is asked, as glibc does: it may have an answer. */
const TRY_NEXT_RESOLVER: ReadonlySet<number> = new Set([Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED]);

/** Forwards queries to the resolvers, one after the other until one answers. */
export class DnsForwarder {
  readonly #resolvers: ResolverList;
  readonly #limits: ProxyLimits;

  constructor(resolvers: ResolverList, limits: ProxyLimits) {
    this.#resolvers = resolvers;
    this.#limits = limits;
  }

  /**
   * The reply to a query that `checkQuery` allowed. Answers are passed on unchanged. After a truncated answer over UDP
   * the client asks again over TCP, and a query over TCP is forwarded over TCP.
   */
  async forward(query: Uint8Array, transport: "tcp" | "udp"): Promise<DnsReply> {
    const exchange: Exchange = transport === "udp" ? exchangeUdp : exchangeTcp;
    const deadline = performance.now() + this.#limits.queryTimeoutMs;
    const resolvers = this.#resolvers.inOrder();
    // The fewer resolvers, the more of the time each one gets.
    const resolverTimeout = Math.max(
      this.#limits.resolverTimeoutMs,
      this.#limits.queryTimeoutMs / (ROUNDS * resolvers.length),
    );
    let firstError: DnsReply | undefined;
    let failure = resolvers.length === 0 ? "NO_RESOLVER" : "timeout";
    // A resolver that answered with an error is not asked again.
    const candidates = new Set<Endpoint>(resolvers);
    for (let round = 0; round < ROUNDS; round++) {
      for (const resolver of candidates) {
        const timeout = Math.min(resolverTimeout, deadline - performance.now());
        if (timeout <= 0) break;
        const result = await exchange(resolver, query, timeout);
        if ("failure" in result) {
          failure = result.failure;
          this.#resolvers.markFailed(resolver);
          continue;
        }
        const rcode = readDnsHeader(result)?.rcode ?? Rcode.SERVFAIL;
        const reply: DnsReply = {
          answer: result,
          outcome: "answered",
          rcode: rcodeName(rcode),
          resolver: formatResolver(resolver),
        };
        this.#resolvers.markAnswered(resolver);
        if (!TRY_NEXT_RESOLVER.has(rcode)) return reply;
        firstError ??= reply;
        candidates.delete(resolver);
      }
    }
    return (
      firstError ??
      errorReply(query, Rcode.SERVFAIL, failure === "timeout" ? "timeout:dns" : `connect-failed:${failure}`)
    );
  }
}
