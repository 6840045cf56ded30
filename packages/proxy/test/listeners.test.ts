import { afterAll, beforeAll, expect, test } from "bun:test";
import { answerTo, query } from "./dns-builder.ts";
import { ProxyUnderTest } from "./proxy-under-test.ts";
import { connectFrom, listenIn, PORTS, Sandbox, type TestSocket, udpIn } from "./sandbox.ts";

const ORIGIN = { address: "203.0.113.10", port: 7000 };

let sandbox: Sandbox;
beforeAll(() => {
  sandbox = new Sandbox();
});
afterAll(() => sandbox?.[Symbol.dispose]());

/** Redirects the first container's connections to port 7000 to a port of the proxy. */
function redirectTo(port: number): void {
  sandbox.nft(`
    add table ip pxtest-move
    delete table ip pxtest-move
    table ip pxtest-move {
      chain pre {
        type nat hook prerouting priority dstnat - 1; policy accept;
        ip saddr 10.2.0.2 ip daddr ${ORIGIN.address} tcp dport 7000 redirect to :${port}
      }
    }`);
}

const hello = (socket: TestSocket) => void socket.write("hello");

async function greeted(): Promise<TestSocket> {
  const client = connectFrom(sandbox, "c1", ORIGIN);
  await client.until(5);
  return client;
}

async function portsInUse(): Promise<string[]> {
  const { stdout } = Bun.spawnSync([...sandbox.enter("h"), "ss", "-Hlnutp"]);
  const lines = stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "");
  return lines
    .map((line) => line.split(/\s+/))
    .map(([kind, , , , local]) => `${kind} ${local?.split(":").at(-1)}`)
    .sort();
}

test("the listeners move to other ports; open connections stay open", async () => {
  await using proxy = await ProxyUnderTest.start(sandbox, { limits: { queryTimeoutMs: 300 } });
  using _ = listenIn(sandbox, "w", ORIGIN, hello);
  const before = await greeted();
  expect(await proxy.moveTo({ http: 8080, dns: 5300, tcp: 4001 })).toEqual({ http: 8080, dns: 5300, tcp: 4001 });
  redirectTo(4001);
  const after = await greeted();
  for (let tries = 0; (await portsInUse()).length > 4 && tries < 200; tries++) await Bun.sleep(20);
  expect(await portsInUse()).toEqual(["tcp 4001", "tcp 5300", "tcp 8080", "udp 5300"]);
  before.reset();
  after.reset();
  for (let line = 0; line < 2; line++) expect(await proxy.nextLog()).toMatchObject({ kind: "tcp", bytesIn: 5 });
});

test("the listeners can exchange their ports, and move back", async () => {
  await using proxy = await ProxyUnderTest.start(sandbox);
  using _ = listenIn(sandbox, "w", ORIGIN, hello);
  expect(await proxy.moveTo({ ...PORTS, http: PORTS.tcp, tcp: PORTS.http })).toMatchObject({ tcp: PORTS.http });
  for (const [port, kind] of [
    [PORTS.http, "tcp"],
    [PORTS.tcp, "http"],
  ] as const) {
    redirectTo(port);
    (await greeted()).reset();
    expect(await proxy.nextLog()).toMatchObject({ kind });
  }
  expect(await proxy.moveTo({ ...PORTS, dns: 5300 })).toEqual({ ...PORTS, dns: 5300 });
  expect(await proxy.moveTo(PORTS)).toEqual(PORTS);
  expect(await portsInUse()).toEqual(["tcp 9053", "tcp 9080", "tcp 9111", "udp 5300", "udp 9053"]);
});

test("when a port is in use, the listeners do not move", async () => {
  await using proxy = await ProxyUnderTest.start(sandbox);
  using _ = listenIn(sandbox, "w", ORIGIN, hello);
  using __ = listenIn(sandbox, "h", { address: "0.0.0.0", port: 4001 }, () => {});
  expect(await proxy.moveTo({ http: 8080, dns: 5300, tcp: 4001 })).toContain("TCP 0.0.0.0:4001 is in use");
  redirectTo(PORTS.tcp);
  (await greeted()).reset();
  expect(await portsInUse()).toEqual(["tcp 4001", "tcp 9053", "tcp 9080", "tcp 9111", "udp 9053"]);
});

test("a query that is pending during a move is answered from the port it was sent to", async () => {
  await using proxy = await ProxyUnderTest.start(sandbox, { resolvers: ["203.0.113.11"] });
  const asked = Promise.withResolvers<() => void>();
  const resolver = await udpIn(sandbox, "w", { address: "203.0.113.11", port: 53 }, (socket, bytes, from) => {
    const message = Buffer.from(bytes);
    asked.resolve(() => void socket.send(answerTo(message, { text: "hello" }), from.port, from.address));
  });
  const answered = Promise.withResolvers<unknown>();
  const client = await udpIn(sandbox, "c1", { address: "0.0.0.0", port: 0 }, (_, __, from) => answered.resolve(from));
  client.send(query({ name: "a.example" }), PORTS.dns, "10.1.0.2");
  const answer = await asked.promise;
  await proxy.moveTo({ ...PORTS, dns: 5300 });
  answer();
  expect(await answered.promise).toEqual({ address: "10.1.0.2", port: PORTS.dns });
  client.close();
  resolver.close();
});
