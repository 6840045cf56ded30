import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { deferred } from "../deferred.ts";
import type { Endpoint } from "../endpoint.ts";
import { DnsFrameReader, dnsFrame } from "./frames.ts";
import { answersQuery, withDnsId } from "./message.ts";

/** Why a resolver gave no answer: "timeout" or an error code. */
type ExchangeFailure = { readonly failure: string };
export type Exchange = (
  resolver: Endpoint,
  query: Uint8Array,
  timeoutMs: number,
) => Promise<Uint8Array | ExchangeFailure>;

/**
 * Asks one resolver over UDP. Resolves to the answer, with the query's id, or to the failure.
 *
 * Each query has its own socket, connected to the resolver, and its own random id. So an answer must come from the
 * resolver's address to the port that the kernel chose at random, with this id and the question that was asked. Other
 * messages are ignored and do not end the wait.
 */
export const exchangeUdp: Exchange = (resolver, query, timeoutMs) => {
  const sent = withDnsId(query, randomInt(65536));
  const { promise, resolve } = deferred<Uint8Array | ExchangeFailure>();
  const socket = createSocket(isIPv6(resolver.address) ? "udp6" : "udp4");
  const timer = setTimeout(() => resolve({ failure: "timeout" }), timeoutMs);
  const failed = (error: NodeJS.ErrnoException | null) => {
    if (error !== null) resolve({ failure: error.code ?? "UNKNOWN" });
  };
  socket.on("error", failed);
  socket.on("message", (answer) => {
    if (answersQuery(sent, answer)) resolve(originalId(query, answer));
  });
  // Without a route this is called with an error, which the types do not show. Bun's error has no code.
  const connected = (error?: NodeJS.ErrnoException) => {
    if (error) failed(Object.assign(error, { code: error.code ?? "EHOSTUNREACH" }));
    else socket.send(sent, failed);
  };
  socket.connect(resolver.port, resolver.address, connected);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
};

/** Asks one resolver over TCP, on a new connection. Otherwise as `exchangeUdp`. */
export const exchangeTcp: Exchange = (resolver, query, timeoutMs) => {
  const sent = withDnsId(query, randomInt(65536));
  const { promise, resolve } = deferred<Uint8Array | ExchangeFailure>();
  const timer = setTimeout(() => resolve({ failure: "timeout" }), timeoutMs);
  const frames = new DnsFrameReader();
  const socket = connect({ host: resolver.address, port: resolver.port });
  socket.on("error", (error: NodeJS.ErrnoException) => resolve({ failure: error.code ?? "UNKNOWN" }));
  socket.on("close", () => resolve({ failure: "ECONNRESET" }));
  socket.on("connect", () => socket.write(dnsFrame(sent)));
  socket.on("data", (bytes: Buffer) => {
    const answer = frames.push(bytes).find((message) => answersQuery(sent, message));
    if (answer !== undefined) resolve(originalId(query, answer));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
};

function originalId(query: Uint8Array, answer: Uint8Array): Uint8Array {
  return withDnsId(answer, ((query[0] as number) << 8) | (query[1] as number));
}
