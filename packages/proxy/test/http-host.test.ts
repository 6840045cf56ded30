import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HttpHostReader, NO_HOST } from "../src/http-host.ts";

function hostOf(head: string | Uint8Array, chunk = Infinity): string {
  const reader = new HttpHostReader();
  const bytes = typeof head === "string" ? Buffer.from(head, "latin1") : head;
  for (let at = 0; at < bytes.length && !reader.done; at += chunk) reader.push(bytes.subarray(at, at + chunk));
  return reader.host;
}

describe("the host of an HTTP request", () => {
  const cases: [string, string, string][] = [
    ["a plain request", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "example.org"],
    ["a port", "GET / HTTP/1.1\r\nHost: example.org:8080\r\n\r\n", "example.org:8080"],
    ["upper case and spaces", "GET / HTTP/1.1\r\nhOsT: \t Example.ORG \t\r\n\r\n", "example.org"],
    ["no space", "GET / HTTP/1.1\r\nHost:example.org\r\n\r\n", "example.org"],
    ["bare newlines", "GET / HTTP/1.1\nHost: example.org\n\n", "example.org"],
    ["other headers before it", "GET / HTTP/1.1\r\nX-Host: a\r\nAccept: */*\r\nHost: b\r\n\r\n", "b"],
    ["an empty line before the request", "\r\nGET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "example.org"],
    ["an IPv6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "[2001:db8::1]:80"],
    ["the absolute form", "GET http://proxy.example/x?y HTTP/1.1\r\nHost: other\r\n\r\n", "proxy.example"],
    ["the absolute form without a path", "GET http://a:81 HTTP/1.1\r\n\r\n", "a:81"],
    ["CONNECT", "CONNECT a.example:443 HTTP/1.1\r\n\r\n", "a.example:443"],
    ["HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", NO_HOST],
    ["the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "a"],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", NO_HOST],
    ["an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", NO_HOST],
    ["a host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", NO_HOST],
    ["a host with an escape", "GET / HTTP/1.1\r\nHost: \x1b[31mred\r\n\r\n", NO_HOST],
    ["user information", "GET http://user@evil/ HTTP/1.1\r\nHost: a\r\n\r\n", "a"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", NO_HOST],
    ["the second request's host", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", "a"],
    ["a head that ends after its host", "GET / HTTP/1.1\r\nHost: a\r\nAccep", "a"],
    ["a head that ends in its host", "GET / HTTP/1.1\r\nHost: exa", NO_HOST],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NO_HOST],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\nHost: a\n", NO_HOST],
    ["nothing", "", NO_HOST],
  ];
  test.each(cases)("with %s", (_, head, host) => {
    expect(hostOf(head)).toBe(host);
    expect(hostOf(head, 1)).toBe(host);
    expect(hostOf(head, 7)).toBe(host);
  });

  test("is not read beyond 8 KiB", () => {
    const filler = `X: ${"x".repeat(9000)}\r\n`;
    expect(hostOf(`GET / HTTP/1.1\r\n${filler}Host: late\r\n\r\n`)).toBe(NO_HOST);
    expect(hostOf(`GET / HTTP/1.1\r\nHost: early\r\n${filler}\r\n`)).toBe("early");
    const reader = new HttpHostReader();
    reader.push(new Uint8Array(9000).fill(65));
    expect(reader.done).toBe(true);
    const newlines = new HttpHostReader();
    newlines.push(new Uint8Array(9000).fill(10));
    expect(newlines.done).toBe(true);
  });

  test("does not depend on how the bytes are split", () => {
    const piece = fc.constantFrom("GET ", "/ ", "HTTP/1.1", "\r\n", "\n", "Host: ", "a.example", "http://b/", ":", " ");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 20 }), (pieces, chunk) => {
        const head = pieces.join("");
        expect(hostOf(head, chunk)).toBe(hostOf(head));
      }),
    );
  });

  test("of any bytes is printable", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const head = Buffer.concat([Buffer.from("GET / HTTP/1.1\r\nHost: "), bytes, Buffer.from("\r\n\r\n")]);
        expect(hostOf(head)).toMatch(/^[!-~]+$/);
      }),
    );
  });
});
