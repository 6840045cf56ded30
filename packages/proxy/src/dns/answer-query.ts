import type { ConnectionLog } from "../log/connection-log.ts";
import { EntryClock } from "../log/stopwatch.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { type DnsReply, errorReply, screenQuery } from "./forwarder.ts";
import { Rcode, typeName } from "./message.ts";

export type QueryOrigin = Pick<ConnectionLog, "kind" | "transport" | "server" | "source" | "destination">;

/** Screens, forwards and logs one query. What to send back, or undefined for nothing. Never rejects. */
export async function answerQuery(
  context: ProxyContext,
  origin: QueryOrigin,
  query: Uint8Array,
): Promise<Uint8Array | undefined> {
  const clock = new EntryClock();
  const screened = screenQuery(query);
  const { answer, ...result } = screened.reply ?? (await forward(context, origin, query));
  context.record({
    ...origin,
    ...result,
    ...(screened.reply === undefined
      ? { question: { name: screened.question.name, type: typeName(screened.question.type) } }
      : {}),
    time: clock.time,
    bytesOut: query.length,
    bytesIn: answer?.length ?? 0,
    durationMs: clock.durationMs,
  });
  return answer;
}

async function forward(context: ProxyContext, origin: QueryOrigin, query: Uint8Array): Promise<DnsReply> {
  const account = context.accounts.openQuery(origin.source.address);
  if (account === undefined) return errorReply(query, Rcode.REFUSED, "refused:limit");
  try {
    return await context.forwarder.forward(query, origin.transport);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
    return errorReply(query, Rcode.SERVFAIL, `connect-failed:${code}`);
  } finally {
    context.accounts.closeQuery(account);
  }
}
