import type { Endpoint } from "../ipv4.ts";

/** The server a container belongs to: its name and the public port players use. */
export interface ServerIdentity {
  readonly name: string;
  readonly port: number;
}

/** Which listener took the connection. */
export type ListenerKind = "tcp" | "http" | "dns";

/**
 * How a connection or a DNS query ended.
 *
 * - `closed`: both sides finished. `answered`: the DNS answer was sent.
 * - `refused:policy`, `refused:self` (the proxy itself), `refused:limit`, `refused:unknown-source` (no server has that
 *   address), `refused:no-original-destination` (not redirected: somebody connected to the proxy itself),
 *   `refused:malformed` (not a DNS query that is forwarded).
 * - `connect-failed:ECONNREFUSED` and so on: the destination could not be reached. For DNS: no resolver could be.
 * - `timeout:connect`, `timeout:idle`, `timeout:keepalive` (a peer vanished), `timeout:dns` (no resolver answered).
 * - `reset:client`, `reset:upstream`: one side reset the connection; the other one was reset too.
 * - `failed:CODE`: any other error of an established connection.
 * - `server-removed`: its server was removed, or another one has its address now.
 * - `stopped`: the proxy was stopped and did not wait longer.
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

/** One connection, or one DNS query. */
export interface ConnectionLog {
  /** When it began. */
  readonly time: Date;
  readonly kind: ListenerKind;
  readonly transport: "tcp" | "udp";
  /** Undefined when no server has the source address. */
  readonly server: ServerIdentity | undefined;
  readonly source: Endpoint;
  /** Where the container wanted to go. Undefined when that is not known, as always for DNS over UDP. */
  readonly destination: Endpoint | undefined;
  /** HTTP: the host name of the first request, "-" if there was none. */
  readonly host?: string;
  /** DNS: what was asked, escaped as in zone files. */
  readonly question?: { readonly name: string; readonly type: string };
  /** DNS: the code of the answer, such as NOERROR. */
  readonly rcode?: string;
  /** DNS: the resolver whose answer it is, as "address:port". */
  readonly resolver?: string;
  /** The rule that refused it. */
  readonly rule?: string;
  /** How many refusals of the same server, or of strangers, were not logged before this one: there were too many. */
  readonly unlogged?: number;
  /** Payload bytes from the container. */
  readonly bytesOut: number;
  /** Payload bytes to the container. */
  readonly bytesIn: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
}
