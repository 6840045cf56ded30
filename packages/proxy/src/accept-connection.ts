import type { Socket } from "node:net";
import type { Endpoint } from "./ipv4.ts";
import type { ConnectionLog, ListenerKind, Outcome, ServerIdentity } from "./log/connection-log.ts";
import { EntryClock } from "./log/stopwatch.ts";
import { originalDestination } from "./original-destination.ts";
import type { ProxyContext } from "./proxy-context.ts";

/** An accepted connection that knows where it comes from and where it was going. */
export interface Admitted {
  readonly client: Socket;
  readonly destination: Endpoint;
  /** The log entry so far. */
  readonly entry: Omit<ConnectionLog, "bytesOut" | "bytesIn" | "durationMs" | "outcome">;
  readonly clock: EntryClock;
}

/**
 * The checks every accepted connection has to pass, whichever listener took it: it was redirected here, by a container
 * of a known server, and not on its way to the proxy itself. Undefined when it was refused (reset and logged).
 */
export function admit(context: ProxyContext, kind: ListenerKind, client: Socket): Admitted | undefined {
  const clock = new EntryClock();
  const source = { address: client.remoteAddress ?? "0.0.0.0", port: client.remotePort ?? 0 };
  const destination = originalDestination(client);
  const server = context.admit(source.address);
  const admitted = {
    client,
    clock,
    entry: { time: clock.time, kind, transport: "tcp", server: known(server), source, destination },
  } as const;
  // Until somebody cares, an error of this socket is nobody's: without a listener it would end the process.
  client.on("error", () => {});
  if (destination === undefined) return refuse(context, admitted, "refused:no-original-destination");
  if (server === "refused") return refuse(context, admitted, "refused:unknown-source");
  if (context.isSelf(destination)) return refuse(context, admitted, "refused:self");
  return { ...admitted, destination };
}

function known(server: ServerIdentity | undefined | "refused"): ServerIdentity | undefined {
  return server === "refused" ? undefined : server;
}

/** Resets the connection, so that its client sees it at once, and logs why. */
export function refuse(
  context: ProxyContext,
  { client, entry, clock }: Pick<Admitted, "client" | "entry" | "clock">,
  outcome: Outcome,
  rule?: string,
): undefined {
  client.resetAndDestroy();
  context.record({
    ...entry,
    ...(rule === undefined ? {} : { rule }),
    bytesOut: 0,
    bytesIn: 0,
    durationMs: clock.durationMs,
    outcome,
  });
}
