import type { Endpoint } from "../endpoint.ts";
import type { ConnectionLog } from "./connection-log.ts";

/**
 * The entry as one line of text, without a newline at its end:
 * `2026-01-31T12:00:00.000Z survival http 10.2.0.5:40123 -> 203.0.113.9:80 closed host=example.org out=78 in=1256
 * 0.042s`. Values from the network are quoted unless they are plain, so that none can break the line or forge a field.
 * Throws nothing.
 */
export function formatLogLine(entry: ConnectionLog): string {
  const { server, destination, question } = entry;
  return [
    entry.time.toISOString(),
    server === undefined ? "-" : serverName(server.name),
    entry.transport === "udp" ? `${entry.kind}/udp` : entry.kind,
    formatEndpoint(entry.source),
    "->",
    destination === undefined ? "-" : formatEndpoint(destination),
    entry.outcome,
    ...(entry.host === undefined ? [] : [`host=${quoteUnlessPlain(entry.host)}`]),
    ...(question === undefined ? [] : [`question=${quoteUnlessPlain(question.name)}/${question.type}`]),
    ...(entry.rcode === undefined ? [] : [`rcode=${entry.rcode}`]),
    ...(entry.resolver === undefined ? [] : [`resolver=${entry.resolver}`]),
    ...(entry.rule === undefined ? [] : [`rule=${quoteUnlessPlain(entry.rule)}`]),
    ...(entry.unlogged === undefined ? [] : [`unlogged=${entry.unlogged}`]),
    `out=${entry.bytesOut}`,
    `in=${entry.bytesIn}`,
    `${(entry.durationMs / 1000).toFixed(3)}s`,
  ].join(" ");
}

/** The entry as one JSON document on one line, with the fields of {@link toFields}. Throws nothing. */
export function toJson(entry: ConnectionLog): string {
  return JSON.stringify(toFields(entry));
}

/**
 * The entry as plain data. Every field is always present, and null when its value is not known. The keys are a public
 * interface: new keys may be added, and no key changes its meaning.
 * Throws nothing.
 */
export function toFields(entry: ConnectionLog): Record<string, string | number | null> {
  return {
    time: entry.time.toISOString(),
    kind: entry.kind,
    transport: entry.transport,
    server: entry.server?.name ?? null,
    serverId: entry.server?.id ?? null,
    source: entry.source.address,
    sourcePort: entry.source.port,
    destination: entry.destination?.address ?? null,
    destinationPort: entry.destination?.port ?? null,
    host: entry.host ?? null,
    question: entry.question?.name ?? null,
    questionType: entry.question?.type ?? null,
    rcode: entry.rcode ?? null,
    resolver: entry.resolver ?? null,
    rule: entry.rule ?? null,
    unlogged: entry.unlogged ?? 0,
    bytesOut: entry.bytesOut,
    bytesIn: entry.bytesIn,
    durationMs: Math.round(entry.durationMs * 1000) / 1000,
    outcome: entry.outcome,
  };
}

function formatEndpoint({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}

/** A name "-" is quoted: without quotes it means that the source belongs to no server. */
function serverName(name: string): string {
  return name === "-" ? '"-"' : quoteUnlessPlain(name);
}

/**
 * Quotes and escapes as JSON does. C1 controls, directional marks and Unicode line ends are escaped too: some terminals
 * and log readers act upon them.
 */
function quoteUnlessPlain(text: string): string {
  if (/^[A-Za-z0-9._:[\]@%/+*!$&'(),;~\\-]+$/.test(text)) return text;
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
