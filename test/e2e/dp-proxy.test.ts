/**
 * `dp proxy`, the compiled executable, with containers that go out to the internet through it:
 *
 *      192.0.2.53 a resolver     169.254.169.254 a metadata service      10.77.0.5 a private network
 *      192.0.2.80 a web server   192.0.2.7:7000 moves bytes              │
 *            └──────────── internet ─────────────┴───────────────────────┘
 *                              │ 203.0.113.10
 *                             host  dp proxy
 *          dp1 10.1.0.1 ┌──────┴──────┐ dp2 10.1.0.2
 *                     lobby        survival
 *                   10.2.0.1       10.2.0.2
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Event, Program } from "@dp/test-kit/program.ts";
import { withResolver } from "./internet/with-resolver.ts";
import { DP } from "./topology/dp.ts";
import { Internet, PUBLIC_ADDRESS } from "./topology/internet.ts";
import type { NetworkNamespace } from "./topology/namespace.ts";
import { serve } from "./traffic/traffic.ts";

const MEBIBYTE = 2 ** 20;
const [WEB, RESOLVER, BYTES, METADATA, PRIVATE] = [
  "192.0.2.80",
  "192.0.2.53",
  "192.0.2.7",
  "169.254.169.254",
  "10.77.0.5",
] as const;
const SITE = "www.example.test";
/** What containers have in their resolv.conf. No computer has that address here. */
const PUBLIC_RESOLVER = "9.9.9.9";
/** traffic/server.ts, on the internet and wherever else something is to be reached. */
const PORT = 7000;

const script = (name: string, ...args: (string | number)[]) => [
  "bun",
  join(import.meta.dirname, name),
  ...args.map(String),
];

async function world(...load: string[]): Promise<Internet & { bytes: Program }> {
  const net = await Internet.create({ containers: ["lobby", "survival"] });
  for (const address of [WEB, RESOLVER, BYTES, METADATA, PRIVATE]) {
    await net.router.ip(`address add ${address}/32 dev lo`);
  }
  await net.dp.must("load", ...load);
  await net.dp.addServer(25570, net.container("lobby"), "--name", "lobby");
  await net.dp.addServer(25571, net.container("survival"), "--name", "survival");
  return Object.assign(net, { bytes: await serve(net.router, PORT) });
}

/** Starts `dp proxy --json` on the host, and waits until it listens. */
async function start(net: Internet, ...options: string[]): Promise<Program> {
  const proxy = net.host.spawn(["env", `DP_PIN_ROOT=${net.dp.pinRoot}`, DP, "proxy", "--json", ...options]);
  await proxy.event("listening");
  return proxy;
}

/** The first line of its log about a connection with these values. */
async function logged(proxy: Program, values: Readonly<Record<string, unknown>>): Promise<Event> {
  for (let count = 1; ; count++) {
    const line = await proxy.event("connection", count);
    if (Object.entries(values).every(([key, value]) => line[key] === value)) return line;
  }
}

/** The whole of a line about the lobby; nothing else may be in it. */
const lobbyLine = (values: Readonly<Record<string, unknown>>) => ({
  event: "connection",
  time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
  transport: "tcp",
  server: "lobby",
  serverId: expect.any(Number) as number,
  source: "10.2.0.1",
  sourcePort: expect.any(Number) as number,
  destination: null,
  destinationPort: null,
  host: null,
  question: null,
  questionType: null,
  rcode: null,
  resolver: null,
  rule: null,
  unlogged: 0,
  bytesOut: expect.any(Number) as number,
  bytesIn: expect.any(Number) as number,
  durationMs: expect.any(Number) as number,
  ...values,
});

async function attempt(container: NetworkNamespace, ...targets: string[]): Promise<Record<string, string>> {
  await using client = container.spawn(script("egress/attempt.ts", ...targets));
  const { outcomes } = (await client.event("attempted")) as unknown as { outcomes: string[] };
  return Object.fromEntries(targets.map((target, index) => [target, outcomes[index] as string]));
}

/** Opens connections that read nothing, and waits until all that the buffers on the way take is in them. */
async function stall(container: NetworkNamespace, count: number, bytes: number, port = PORT): Promise<Program> {
  const client = container.spawn(script("egress/stall.ts", BYTES, port, count, bytes));
  await client.event("stalled");
  return client;
}

const resume = (client: Program) => client.kill("SIGUSR2");

async function expectWhole(client: Program, count = 1): Promise<void> {
  for (let one = 1; one <= count; one++) {
    const { sent, received } = await client.event("received", one);
    expect(received).toBe(sent);
  }
}

const TARGET = `${BYTES}:${PORT}`;

test("a container fetches a page by name; the log tells who, where, by which name and how much", async () => {
  await using net = await world();
  const lobby = net.container("lobby");
  const web = net.router.spawn(script("internet/web.ts", WEB, 80));
  // Names, and a text too long for a datagram.
  const text = Array.from({ length: 20 }, (_, at) => `--txt-record=big.example,${`${at} `.padEnd(200, "x")}`);
  const options = ["--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=", "--user=root", ...text];
  const bind = [`--listen-address=${RESOLVER}`, "--bind-interfaces", `--host-record=${SITE},${WEB}`];
  net.router.spawn(["dnsmasq", "--keep-in-foreground", "--log-facility=-", ...bind, ...options]);
  await web.event("listening");
  for (let tries = 0; tries < 600; tries++) {
    const { stdout } = await net.router.run(["ss", "-Hln", "sport = :53"]);
    if (stdout.split("\n").length > 2) break;
    await Bun.sleep(50);
  }
  const proxy = await start(net, "--dns", RESOLVER);

  const fetch = withResolver(PUBLIC_RESOLVER, script("internet/fetch.ts", `http://${SITE}/`));
  expect(await lobby.run(fetch)).toMatchObject({ code: 0, stdout: `A page of ${SITE}\n` });
  expect((await web.event("request"))["from"]).toBe(PUBLIC_ADDRESS);
  const answered = { kind: "dns", rcode: "NOERROR", resolver: `${RESOLVER}:53`, outcome: "answered" };
  expect(await logged(proxy, { questionType: "A" })).toEqual(
    lobbyLine({ ...answered, transport: "udp", question: SITE, questionType: "A" }),
  );
  expect(await logged(proxy, { kind: "http" })).toEqual(
    lobbyLine({ kind: "http", destination: WEB, destinationPort: 80, host: SITE, outcome: "closed" }),
  );

  // Too long for a datagram: dig asks again by TCP, when it is told so.
  const dig = ["dig", "+noedns", "+tries=3", "+time=5", `@${PUBLIC_RESOLVER}`, "big.example", "TXT"];
  const { stdout } = await lobby.run(dig);
  expect(stdout).toContain(";; Truncated, retrying in TCP mode.");
  expect(Array.from(stdout.matchAll(/"(\d+) x+"/g), ([, at]) => Number(at)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, at) => at),
  );
  const question = { question: "big.example", questionType: "TXT" };
  const byUdp = await logged(proxy, { ...question, transport: "udp" });
  expect(byUdp).toEqual(lobbyLine({ ...answered, ...question, transport: "udp", bytesOut: 29 }));
  expect(byUdp["bytesIn"]).toBeWithin(29, 513);
  const byTcp = await logged(proxy, { ...question, transport: "tcp" });
  expect(byTcp).toEqual(
    lobbyLine({ ...answered, ...question, destination: PUBLIC_RESOLVER, destinationPort: 53, bytesOut: 29 }),
  );
  expect(byTcp["bytesIn"]).toBeWithin(4096, 8192);
});

test("the host, other servers, private networks and metadata are out of reach, except what is allowed", async () => {
  await using net = await world();
  // A connection that gets through is answered: the router and the host listen on all of their addresses.
  await serve(net.host, PORT);
  await serve(net.router, 7001);
  const proxy = await start(net, "--allow", `${PRIVATE}:${PORT}`, "--allow", "10.1.0.0/16", "--deny", "0.0.0.0/0:25");
  const refused = {
    [`${METADATA}:${PORT}`]: "deny 169.254.169.254/32 (cloud metadata service)",
    [`${PRIVATE}:7001`]: "deny 10.0.0.0/8 (private (RFC 1918))",
    [`10.77.0.6:${PORT}`]: "deny 10.0.0.0/8 (private (RFC 1918))",
    [`192.168.1.1:${PORT}`]: "deny 192.168.0.0/16 (private (RFC 1918))",
    [`100.64.0.1:${PORT}`]: "deny 100.64.0.0/10 (carrier-grade NAT (RFC 6598))",
    [`${PUBLIC_ADDRESS}:${PORT}`]: "deny (an address of the host)",
    // The host's end of the neighbour's cable, and the neighbour's port for players. Its container's own address does
    // not get as far as the proxy.
    [`10.1.0.2:${PORT}`]: "deny (an address of the host)",
    [`${PUBLIC_ADDRESS}:25571`]: "deny (an address of the host)",
    [`${BYTES}:25`]: "deny 0.0.0.0/0:25",
  };
  const outcomes = await attempt(net.container("lobby"), ...Object.keys(refused));
  expect(outcomes).toEqual(Object.fromEntries(Object.keys(refused).map((target) => [target, "ECONNRESET"])));
  for (const [target, rule] of Object.entries(refused)) {
    const [destination, port] = target.split(":");
    const line = await logged(proxy, { destination, destinationPort: Number(port) });
    expect(line).toMatchObject({ server: "lobby", outcome: "refused:policy", rule, bytesOut: 0, bytesIn: 0 });
  }
  // The proxy itself, at any of its host's addresses.
  for (const self of [`${PUBLIC_ADDRESS}:9111`, "10.1.0.2:9080"]) {
    expect(await attempt(net.container("lobby"), self)).toEqual({ [self]: "ECONNRESET" });
  }
  expect(await logged(proxy, { destinationPort: 9080 })).toMatchObject({ outcome: "refused:self", rule: null });
  expect(await attempt(net.container("lobby"), `${PRIVATE}:${PORT}`, TARGET)).toEqual({
    [`${PRIVATE}:${PORT}`]: "hello",
    [TARGET]: "hello",
  });
  // From the internet the listeners are closed ports. starvation.test.ts has containers that know where they are.
  for (const target of [`${PUBLIC_ADDRESS}:9111`, `${PUBLIC_ADDRESS}:9053`, `${PUBLIC_ADDRESS}:9080`]) {
    expect(await attempt(net.player(), target)).toEqual({ [target]: "ECONNREFUSED" });
  }
  // An address that the host gets while the proxy runs.
  await net.host.ip("address add 192.0.2.9/32 dev lo");
  expect(await attempt(net.container("lobby"), `192.0.2.9:${PORT}`)).toEqual({ [`192.0.2.9:${PORT}`]: "ECONNRESET" });
  // Nothing listens there, and nothing comes back from there: the container learns both as an end of its connection.
  expect(await attempt(net.container("lobby"), `${BYTES}:7999`)).toEqual({ [`${BYTES}:7999`]: "ECONNRESET" });
  expect(await logged(proxy, { destinationPort: 7999 })).toMatchObject({ outcome: "connect-failed:ECONNREFUSED" });
});

test("64 MiB each way at once, each way closed by itself, arrive unchanged and are counted", async () => {
  await using net = await world();
  const proxy = await start(net);
  const bytes = 64 * MEBIBYTE;
  // The second client keeps silent until the server has finished.
  for (const [index, theirs] of [`${bytes}`, "after:5"].entries()) {
    const port = 7010 + index;
    const server = net.router.spawn(script("egress/exchange.ts", "serve", port, index === 0 ? bytes : 1000));
    await server.event("listening");
    await using client = net.container("lobby").spawn(script("egress/exchange.ts", "connect", BYTES, port, theirs));
    const [there, here] = [await server.event("exchanged"), await client.event("exchanged")];
    expect([there["received"], here["received"]]).toEqual([here["sent"], there["sent"]]);
    expect(await logged(proxy, { destinationPort: port })).toEqual(
      lobbyLine({
        kind: "tcp",
        destination: BYTES,
        destinationPort: port,
        bytesOut: index === 0 ? bytes : 5,
        bytesIn: index === 0 ? bytes : 1000,
        outcome: "closed",
      }),
    );
  }
});

test("readers that read nothing make it hold little, and miss nothing when they read at last", async () => {
  await using net = await world();
  const proxy = await start(net, "--max-buffer", "8");
  // Warm: what it needs anyway is there.
  await attempt(net.container("lobby"), ...Array.from({ length: 50 }, () => TARGET));
  const before = residentBytes(proxy);
  const [count, bytes] = [100, 4 * MEBIBYTE];
  const client = await stall(net.container("lobby"), count, bytes);
  const after = await settled(() => residentBytes(proxy));
  // A quarter of what it was offered. The kernel's buffers took some of it, the proxy a few times its 8 MiB.
  expect(after - before).toBeLessThan((count * bytes) / 4);
  // Meanwhile the other server is not kept waiting.
  expect(await attempt(net.container("survival"), TARGET)).toEqual({ [TARGET]: "hello" });
  resume(client);
  await expectWhole(client, count);
});

function residentBytes({ pid }: Program): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** The value once it has stayed about the same for a while. */
async function settled(read: () => number): Promise<number> {
  for (let value = read(), same = 0; ; await Bun.sleep(100)) {
    const next = read();
    same = Math.abs(next - value) < MEBIBYTE ? same + 1 : 0;
    value = next;
    if (same === 5) return value;
  }
}

test("a server at its limit of connections is refused more, and takes nothing from another", async () => {
  await using net = await world();
  const proxy = await start(net, "--max-connections", "4");
  await using holder = await stall(net.container("lobby"), 4, MEBIBYTE);
  expect(await attempt(net.container("lobby"), TARGET, TARGET)).toEqual({ [TARGET]: "ECONNRESET" });
  expect(await logged(proxy, { outcome: "refused:limit" })).toMatchObject({ server: "lobby", destination: BYTES });
  const others = await attempt(net.container("survival"), TARGET);
  expect(others).toEqual({ [TARGET]: "hello" });
  expect(await logged(proxy, { server: "survival" })).toMatchObject({ source: "10.2.0.2" });
  resume(holder);
  await expectWhole(holder, 4);
  await logged(proxy, { server: "lobby", outcome: "closed" });
  expect(await attempt(net.container("lobby"), TARGET)).toEqual({ [TARGET]: "hello" });
});

test("with few descriptors, a server that wants them all gets half of them, and the others are served", async () => {
  await using net = await world();
  const command = ["bash", "-c", 'ulimit -n 256; exec "$0" proxy --json', DP];
  const proxy = net.host.spawn(["env", `DP_PIN_ROOT=${net.dp.pinRoot}`, ...command]);
  await proxy.event("listening");
  await using holder = await stall(net.container("lobby"), 400, MEBIBYTE);
  // 128 are the process's own; of the others half, two for each connection.
  expect((await holder.event("stalled"))["open"]).toBe(32);
  expect(await attempt(net.container("survival"), TARGET)).toEqual({ [TARGET]: "hello" });
  resume(holder);
  await expectWhole(holder, 32);
  expect(await attempt(net.container("lobby"), TARGET)).toEqual({ [TARGET]: "hello" });
  proxy.kill("SIGTERM");
  const { code, stderr } = await proxy.finished();
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^dp: warning: the proxy may open 256 files, .*\n$/)]);
  const stopped = await proxy.event("stopped");
  expect(stopped).toMatchObject({ outcomes: { closed: 34, "refused:limit": 368 } });
  // Too many in a second have no line each, but are counted.
  const refused = proxy.events.filter(({ outcome }) => outcome === "refused:limit");
  expect(refused.length + Number(stopped["unlogged"])).toBe(368);
});

test("SIGTERM lets what is under way finish and takes nothing new; killed, the next one takes over", async () => {
  await using net = await world();
  const lobby = net.container("lobby");
  {
    const proxy = await start(net, "--drain", "60");
    const client = await stall(lobby, 1, 32 * MEBIBYTE);
    proxy.kill("SIGTERM");
    await eventually(async () => (await attempt(lobby, TARGET))[TARGET] === "ECONNREFUSED");
    resume(client);
    await expectWhole(client);
    expect(await proxy.finished()).toMatchObject({ code: 0, stderr: "" });
    const [line, ...others] = proxy.events.filter(({ event }) => event === "connection");
    expect(line).toMatchObject({ outcome: "closed", bytesIn: 32 * MEBIBYTE + 64 });
    expect(others).toEqual([]);
    expect(await proxy.event("stopped")).toMatchObject({ outcomes: { closed: 1 }, bytesIn: 32 * MEBIBYTE + 64 });
  }
  const proxy = await start(net);
  const client = await stall(lobby, 1, 32 * MEBIBYTE);
  proxy.kill("SIGKILL");
  expect((await proxy.finished()).code).not.toBe(0);
  await net.bytes.event("closed", 2);
  expect(await attempt(lobby, TARGET)).toEqual({ [TARGET]: "ECONNREFUSED" });
  const next = await start(net);
  expect(await attempt(lobby, TARGET)).toEqual({ [TARGET]: "hello" });
  await logged(next, { server: "lobby" });
  resume(client);
  expect((await client.event("broken"))["code"]).toMatch(/^(ECONNRESET|closed)$/);
});

async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await check()); tries++) {
    if (tries === 200) throw new Error("it never happened");
    await Bun.sleep(50);
  }
}

test("follows dp load to other ports, and servers that come and go", async () => {
  await using net = await world();
  const proxy = await start(net);
  const lobby = net.container("lobby");
  const kept = await stall(lobby, 1, MEBIBYTE);
  await net.dp.must("load", "--tcp-port", "9112", "--http-port", "9111", "--dns-port", "5300");
  expect(await proxy.event("listening", 2)).toMatchObject({ tcp: 9112, http: 9111, dns: 5300 });
  expect(await attempt(lobby, TARGET)).toEqual({ [TARGET]: "hello" });
  resume(kept);
  await expectWhole(kept);

  // The lobby is removed with a connection open; another server gets its address.
  const left = await stall(lobby, 1, 32 * MEBIBYTE);
  const closed = net.bytes.events.filter(({ event }) => event === "closed").length;
  await net.dp.must("del-server", "lobby");
  expect(await logged(proxy, { outcome: "server-removed" })).toMatchObject({ server: "lobby" });
  await net.bytes.event("closed", closed + 1);
  const games = await net.dp.addServer(25580, lobby, "--name", "games");
  expect(games.addresses.ipv4.container).toBe("10.2.0.1");
  expect(await attempt(lobby, TARGET)).toEqual({ [TARGET]: "hello" });
  expect(await logged(proxy, { server: "games" })).toMatchObject({ source: "10.2.0.1", outcome: "closed" });
  await left[Symbol.asyncDispose]();

  // All of it taken away, and loaded anew.
  await net.dp.must("unload", "--force");
  await net.dp.must("load");
  await net.dp.addServer(25590, lobby, "--name", "again");
  expect(await proxy.event("listening", 3)).toMatchObject({ tcp: 9111, http: 9080, dns: 9053 });
  expect(await attempt(lobby, TARGET)).toEqual({ [TARGET]: "hello" });
  expect(await logged(proxy, { server: "again" })).toMatchObject({ source: "10.2.0.1", outcome: "closed" });
});
