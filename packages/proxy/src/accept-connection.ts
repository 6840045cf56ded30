import type { Socket } from "node:net";
import type { Endpoint } from "./endpoint.ts";
import type { ConnectionLog, ListenerKind, Outcome } from "./log/connection-log.ts";
import { Stopwatch } from "./log/stopwatch.ts";
import { originalDestination } from "./original-destination.ts";
import type { ProxyContext } from "./proxy-context.ts";

/** An accepted connection whose source and original destination are known. */
export interface AcceptedConnection {
  readonly client: Socket;
  readonly destination: Endpoint;
  /** The log entry so far. */
  readonly entry: Omit<ConnectionLog, "bytesOut" | "bytesIn" | "durationMs" | "outcome">;
  readonly stopwatch: Stopwatch;
}

/**
 * The checks that each connection must pass, on every listener: it was redirected to the proxy, its source is the
 * container of a known server, and its destination is not the proxy itself. Undefined when it was refused: then it is
 * reset and logged.
 */
export function acceptConnection(
  context: ProxyContext,
  kind: ListenerKind,
  client: Socket,
): AcceptedConnection | undefined {
  const stopwatch = new Stopwatch();
  const source = { address: client.remoteAddress ?? "0.0.0.0", port: client.remotePort ?? 0 };
  const destination = originalDestination(client);
  const found = context.serverAt(source.address);
  const server = found === "refused" ? undefined : found;
  const time = stopwatch.startedAt;
  const connection = {
    client,
    stopwatch,
    entry: { time, kind, transport: "tcp", server, source, destination },
  } as const;
  // Without a listener an error of this socket would end the process. The relay adds its own listener later.
  client.on("error", () => {});
  if (destination === undefined) return refuseConnection(context, connection, "refused:no-original-destination");
  if (found === "refused") return refuseConnection(context, connection, "refused:unknown-source");
  if (context.isSelf(destination)) return refuseConnection(context, connection, "refused:self");
  return { ...connection, destination };
}

/** Resets the connection, so that its client notices at once, and logs the reason. */
export function refuseConnection(
  context: ProxyContext,
  { client, entry, stopwatch }: Pick<AcceptedConnection, "client" | "entry" | "stopwatch">,
  outcome: Outcome,
  rule?: string,
): undefined {
  client.resetAndDestroy();
  context.record({
    ...entry,
    ...(rule === undefined ? {} : { rule }),
    bytesOut: 0,
    bytesIn: 0,
    durationMs: stopwatch.durationMs,
    outcome,
  });
}
