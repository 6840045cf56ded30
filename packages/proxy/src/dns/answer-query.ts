import type { ConnectionLog } from "../log/connection-log.ts";
import { Stopwatch } from "../log/stopwatch.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { checkQuery } from "./check-query.ts";
import { Rcode, typeName } from "./message.ts";
import { type DnsReply, errorReply } from "./reply.ts";

/** Where a query comes from, as it is logged. */
export type QuerySource = Pick<ConnectionLog, "kind" | "transport" | "server" | "source" | "destination">;

/** Checks, forwards and logs one query. Resolves to the message to send, undefined for none. Never rejects. */
export async function answerQuery(
  context: ProxyContext,
  querySource: QuerySource,
  query: Uint8Array,
): Promise<Uint8Array | undefined> {
  const stopwatch = new Stopwatch();
  const checked = checkQuery(query);
  const { answer, ...result } = checked.reply ?? (await forward(context, querySource, query));
  context.record({
    ...querySource,
    ...result,
    ...(checked.reply === undefined
      ? { question: { name: checked.question.name, type: typeName(checked.question.type) } }
      : {}),
    time: stopwatch.startedAt,
    bytesOut: query.length,
    bytesIn: answer?.length ?? 0,
    durationMs: stopwatch.durationMs,
  });
  return answer;
}

async function forward(context: ProxyContext, querySource: QuerySource, query: Uint8Array): Promise<DnsReply> {
  const usage = context.usage.openQuery(querySource.source.address);
  if (usage === undefined) return errorReply(query, Rcode.REFUSED, "refused:limit");
  const deadline = performance.now() + context.limits.queryTimeoutMs;
  await usage.turns.begin();
  try {
    // By then its container has given up.
    if (performance.now() >= deadline) return errorReply(query, Rcode.SERVFAIL, "timeout:dns");
    return await context.forwarder.forward(query, querySource.transport);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
    return errorReply(query, Rcode.SERVFAIL, `connect-failed:${code}`);
  } finally {
    usage.turns.end();
    context.usage.closeQuery(usage);
  }
}
