import type { Endpoint } from "../endpoint.ts";

/** The server that a container belongs to. */
export interface ServerIdentity {
  /** Never changes, and no other server has it at the same time. */
  readonly id: number;
  readonly name: string;
}

/** The listener that accepted the connection. */
export type ListenerKind = "tcp" | "http" | "dns";

/**
 * How a connection or a DNS query ended.
 *
 * - `closed`: both sides finished. `answered`: the DNS answer was sent.
 * - `refused:policy`: a rule refused it.
 * - `refused:self`: the destination is the proxy itself.
 * - `refused:limit`: the container reached a limit.
 * - `refused:unknown-source`: the source address belongs to no server.
 * - `refused:no-original-destination`: the connection was not redirected, its client connected to the proxy directly.
 * - `refused:malformed`: the message is no DNS query that can be forwarded.
 * - `connect-failed:CODE`: connecting to the destination, or to every resolver, failed with this error code.
 * - `timeout:connect`: the destination did not answer in time. `timeout:dns`: no resolver answered in time.
 * - `timeout:idle`: no bytes in either direction for too long.
 * - `timeout:keepalive`: a side no longer answered keepalive probes.
 * - `reset:client`, `reset:upstream`: one side reset the connection; the other side was reset too.
 * - `failed:CODE`: an established connection failed with another error code.
 * - `server-removed`: its server was removed, or the address belongs to another server now.
 * - `stopped`: the proxy was stopped, and the connection was still open after `drainMs`.
 */
export type Outcome =
  | "closed"
  | "answered"
  | `refused:${"policy" | "self" | "limit" | "unknown-source" | "no-original-destination" | "malformed"}`
  | `connect-failed:${string}`
  | `timeout:${"connect" | "idle" | "keepalive" | "dns"}`
  | `reset:${"client" | "upstream"}`
  | `failed:${string}`
  | "server-removed"
  | "stopped";

/** The log entry of one connection or one DNS query. */
export interface ConnectionLog {
  /** When it began. */
  readonly time: Date;
  readonly kind: ListenerKind;
  readonly transport: "tcp" | "udp";
  /** Undefined when the source address belongs to no server. */
  readonly server: ServerIdentity | undefined;
  readonly source: Endpoint;
  /** The original destination. Undefined when it is not known, as always for DNS over UDP. */
  readonly destination: Endpoint | undefined;
  /** HTTP: the host name of the first request, "-" without one. */
  readonly host?: string;
  /** DNS: the name, escaped as in zone files, and the type that was queried. */
  readonly question?: { readonly name: string; readonly type: string };
  /** DNS: the response code of the answer, such as NOERROR. */
  readonly rcode?: string;
  /** DNS: the resolver that gave the answer, as "address:port". */
  readonly resolver?: string;
  /** The rule that refused it. */
  readonly rule?: string;
  /** How many earlier refusals of the same server, or of unknown sources, were left out of the log. */
  readonly unlogged?: number;
  /** Payload bytes from the container. */
  readonly bytesOut: number;
  /** Payload bytes to the container. */
  readonly bytesIn: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
}
