import { DatapathError } from "@dp/sys";
import type { Endpoint } from "./ipv4.ts";

/** A listener that could not be opened, in words an operator knows. */
export function listenError({ address, port }: Endpoint, transport: "tcp" | "udp", cause: unknown): DatapathError {
  const code = (cause as NodeJS.ErrnoException).code ?? "UNKNOWN";
  const op = "start the proxy";
  const where = `${transport.toUpperCase()} ${address}:${port}`;
  if (code === "EADDRINUSE") {
    return new DatapathError("CONFLICT", op, `${where} is in use`, {
      cause,
      hint: `another proxy may be running: see who listens with "ss -lnp sport = :${port}"`,
    });
  }
  return new DatapathError("FAILED", op, `cannot listen on ${where}: ${code}`, { cause });
}
