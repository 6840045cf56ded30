import { DatapathError } from "@dp/sys";
import type { Endpoint } from "./endpoint.ts";

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
  EADDRNOTAVAIL: "listen on an address of this host, or on 0.0.0.0",
};

/** The error for a listener that could not be opened: `CONFLICT` for a port in use, `FAILED` otherwise. */
export function listenError({ address, port }: Endpoint, transport: "tcp" | "udp", cause: unknown): DatapathError {
  const code = (cause as NodeJS.ErrnoException).code ?? "UNKNOWN";
  const op = "start the proxy";
  const listener = `${transport.toUpperCase()} ${address}:${port}`;
  if (code === "EADDRINUSE") {
    return new DatapathError("CONFLICT", op, `${listener} is in use`, {
      cause,
      hint: `another proxy may be running: list the sockets with "ss -lnp sport = :${port}"`,
    });
  }
  return new DatapathError("FAILED", op, `cannot listen on ${listener}: ${code}`, { cause, hint: HINTS[code] });
}
