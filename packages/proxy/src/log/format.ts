import type { Endpoint } from "../ipv4.ts";
import type { ConnectionLog } from "./connection-log.ts";

/**
 * One line for people, without a newline at its end:
 * `2026-01-31T12:00:00.000Z survival:25565 http 10.2.0.5:40123 -> 203.0.113.9:80 closed host=example.org out=78 in=1256
 * 0.042s`. No value from the network can break the line or forge a field: whatever is not plain is quoted.
 * Throws nothing.
 */
export function formatLogLine(entry: ConnectionLog): string {
  const { server, destination, question } = entry;
  return [
    entry.time.toISOString(),
    server === undefined ? "-" : `${plain(server.name)}:${server.port}`,
    entry.transport === "udp" ? `${entry.kind}/udp` : entry.kind,
    endpoint(entry.source),
    "->",
    destination === undefined ? "-" : endpoint(destination),
    entry.outcome,
    ...(entry.host === undefined ? [] : [`host=${plain(entry.host)}`]),
    ...(question === undefined ? [] : [`question=${plain(question.name)}/${question.type}`]),
    ...(entry.rcode === undefined ? [] : [`rcode=${entry.rcode}`]),
    ...(entry.resolver === undefined ? [] : [`resolver=${entry.resolver}`]),
    ...(entry.rule === undefined ? [] : [`rule=${plain(entry.rule)}`]),
    ...(entry.unlogged === undefined ? [] : [`unlogged=${entry.unlogged}`]),
    `out=${entry.bytesOut}`,
    `in=${entry.bytesIn}`,
    `${(entry.durationMs / 1000).toFixed(3)}s`,
  ].join(" ");
}

/** The entry as one JSON document on one line: {@link toFields}. Throws nothing. */
export function toJson(entry: ConnectionLog): string {
  return JSON.stringify(toFields(entry));
}

/**
 * The entry as plain data, every field always there, null where nothing is known. Keys are an interface: new ones may
 * be added, none changes its meaning.
 * Throws nothing.
 */
export function toFields(entry: ConnectionLog): Record<string, string | number | null> {
  return {
    time: entry.time.toISOString(),
    kind: entry.kind,
    transport: entry.transport,
    server: entry.server?.name ?? null,
    serverPort: entry.server?.port ?? null,
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

function endpoint({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}

/** JSON's quotes and escapes, plus those of C1 and Unicode line ends, which some terminals and readers act upon. */
function plain(text: string): string {
  if (/^[A-Za-z0-9._:[\]@%/+*!$&'(),;~\\-]+$/.test(text)) return text;
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
