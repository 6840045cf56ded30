import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ConnectionLog } from "../src/log/connection-log.ts";
import { formatLogLine, toJson } from "../src/log/format.ts";

const http: ConnectionLog = {
  time: new Date("2026-01-31T12:00:00.000Z"),
  kind: "http",
  transport: "tcp",
  server: { id: 7, name: "survival" },
  source: { address: "10.2.0.5", port: 40123 },
  destination: { address: "203.0.113.9", port: 80 },
  host: "example.org",
  bytesOut: 78,
  bytesIn: 1256,
  durationMs: 42.1234567,
  outcome: "closed",
};
const dns: ConnectionLog = {
  ...http,
  kind: "dns",
  transport: "udp",
  destination: undefined,
  question: { name: "example.org", type: "AAAA" },
  rcode: "NOERROR",
  resolver: "9.9.9.9:53",
  outcome: "answered",
};

describe("a line of text", () => {
  test("of a connection", () => {
    expect(formatLogLine(http)).toBe(
      "2026-01-31T12:00:00.000Z survival http 10.2.0.5:40123 -> 203.0.113.9:80 closed host=example.org " +
        "out=78 in=1256 0.042s",
    );
  });

  test("of a DNS query", () => {
    const { host: _, ...entry } = dns;
    expect(formatLogLine(entry)).toBe(
      "2026-01-31T12:00:00.000Z survival dns/udp 10.2.0.5:40123 -> - answered question=example.org/AAAA " +
        "rcode=NOERROR resolver=9.9.9.9:53 out=78 in=1256 0.042s",
    );
  });

  test("of a refused connection from an unknown source", () => {
    const entry = { ...http, server: undefined, outcome: "refused:policy", rule: "deny 10.0.0.0/8" } as const;
    expect(formatLogLine(entry)).toContain(" - http ");
    expect(formatLogLine(entry)).toContain('rule="deny 10.0.0.0/8" out=');
    expect(formatLogLine({ ...entry, unlogged: 7 })).toContain('rule="deny 10.0.0.0/8" unlogged=7 out=');
  });

  test("is one line of printable characters, whatever its values are", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, text, text, (name, host, question) => {
        const line = formatLogLine({
          ...http,
          server: { id: 1, name },
          host,
          question: { name: question, type: "A" },
        });
        // eslint-disable-next-line no-control-regex
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
      }),
    );
  });

  test("cannot be forged by a name, and a server named - is no unknown source", () => {
    const line = formatLogLine({ ...http, server: { id: 1, name: "a out=9" }, host: 'b"c' });
    expect(line).toContain(' "a out=9" http ');
    expect(line).toContain('host="b\\"c"');
    expect(formatLogLine({ ...http, server: { id: 1, name: "-" } })).toContain(' "-" http ');
  });
});

describe("a line of JSON", () => {
  test("is one JSON document with every field", () => {
    expect(JSON.parse(toJson(http))).toEqual({
      time: "2026-01-31T12:00:00.000Z",
      kind: "http",
      transport: "tcp",
      server: "survival",
      serverId: 7,
      source: "10.2.0.5",
      sourcePort: 40123,
      destination: "203.0.113.9",
      destinationPort: 80,
      host: "example.org",
      question: null,
      questionType: null,
      rcode: null,
      resolver: null,
      rule: null,
      unlogged: 0,
      bytesOut: 78,
      bytesIn: 1256,
      durationMs: 42.123,
      outcome: "closed",
    });
    expect(JSON.parse(toJson(dns))).toMatchObject({ destination: null, question: "example.org", questionType: "AAAA" });
    expect(Object.keys(JSON.parse(toJson({ ...dns, server: undefined }))).length).toBe(20);
  });

  test("has no newline, whatever its values are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (host) => {
        expect(toJson({ ...http, host })).not.toContain("\n");
        expect(JSON.parse(toJson({ ...http, host })).host).toBe(host);
      }),
    );
  });
});
