import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { DatapathError, type ErrorCode, type ProxyOptions, startProxy } from "../src/index.ts";

const ANY_PORTS = { http: 0, dns: 0, tcp: 0 };

/** The error of a proxy that cannot start with these options. */
async function startError(options: Partial<ProxyOptions>): Promise<DatapathError> {
  try {
    await using _ = await startProxy({ ports: ANY_PORTS, identify: () => undefined, log: () => {}, ...options });
  } catch (error) {
    if (error instanceof DatapathError) return error;
    throw error;
  }
  throw new Error("the proxy started");
}

test.each<[ErrorCode, string, string, Partial<ProxyOptions>]>([
  ["BAD_USAGE", "the limit drainMs is -1", "0 or more", { limits: { drainMs: -1 } }],
  ["BAD_USAGE", '"example.org" is not an IPv4 address', "ADDRESS[/PREFIX]", { policy: { allow: ["example.org"] } }],
  ["BAD_USAGE", "not the address of a resolver", "IP:port", { resolvers: ["1.2.3.4:0"] }],
  [
    "BAD_USAGE",
    "the resolver 127.0.0.1:9053 is the proxy's own DNS listener",
    "another resolver",
    { resolvers: ["127.0.0.1:9053"], ports: { ...ANY_PORTS, dns: 9053 } },
  ],
  ["FAILED", "cannot listen on TCP 192.0.2.77:0: EADDRNOTAVAIL", "an address of this host", { address: "192.0.2.77" }],
])("a %s error has a reason and a hint: %s", async (code, reason, hint, options) => {
  const error = await startError(options);
  expect([error.code, error.reason]).toEqual([code, reason]);
  expect(error.hint).toContain(hint);
});

test("a port in use is a CONFLICT", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as { port: number };
  const error = await startError({ ports: { ...ANY_PORTS, tcp: port } });
  server.close();
  expect([error.code, error.op, error.reason]).toEqual([
    "CONFLICT",
    "start the proxy",
    `TCP 0.0.0.0:${port} is in use`,
  ]);
  expect(error.hint).toContain(`sport = :${port}`);
});
