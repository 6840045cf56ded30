import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { deferred } from "../deferred.ts";
import type { Endpoint } from "../ipv4.ts";
import { DnsFrameReader, dnsFrame } from "./frames.ts";
import { answersQuery, withDnsId } from "./message.ts";

/** Why a resolver gave no answer: "timeout", or an errno name. */
type ExchangeFailure = { readonly failure: string };
export type Exchange = (
  resolver: Endpoint,
  query: Uint8Array,
  timeoutMs: number,
) => Promise<Uint8Array | ExchangeFailure>;

/**
 * Asks one resolver over UDP. The answer (under the query's id) or why there is none.
 *
 * Each query has a socket of its own, connected to the resolver, and an id of its own: an answer has to come from that
 * address, to a port the kernel chose at random, under a random id and with the question that was asked. Whatever else
 * arrives is ignored and does not end the wait.
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
  // Called with the error when there is no route, which the types do not say; Bun's has no code.
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

/** Asks one resolver over TCP, on a connection of its own. Otherwise as `exchangeUdp`. */
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
