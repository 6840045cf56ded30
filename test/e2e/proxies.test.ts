/**
 * Programs of Debian's as the host's proxy, each with its file of examples/ as it is:
 *
 *     internet                                       host
 *     192.0.2.80, 192.0.2.81  servers   ──────────   203.0.113.10   the program on 9080, 9053 or 9111
 *     9.9.9.9                 a resolver                │
 *                                                   container 10.2.0.1, asks for these addresses
 *
 * The servers see the host's address, and get what was sent to them: so the program learned where it was to go.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, type Program } from "@dp/test-kit/program.ts";
import { daemon, example } from "./proxies/daemon.ts";
import { Internet, PUBLIC_ADDRESS } from "./topology/internet.ts";
import type { NetworkNamespace } from "./topology/namespace.ts";
import { connectionError, refusal, serve, type TlsFiles, transfer } from "./traffic/traffic.ts";

const SERVERS = ["192.0.2.80", "192.0.2.81"] as const;
const [SERVER] = SERVERS;
const RESOLVER = "9.9.9.9";
/** The same servers, at an address that the examples keep containers from. */
const PRIVATE = "10.99.0.1";
const REFUSED = /^(closed|ECONNRESET)$/;
const MEBIBYTE = 2 ** 20;

async function internet(): Promise<Internet> {
  const net = await Internet.create();
  await net.router.ip(...[...SERVERS, RESOLVER, PRIVATE].map((address) => `address add ${address}/32 dev lo`));
  await net.dp.must("load");
  await net.dp.addServer(25570, net.container());
  return net;
}

const script = (path: string, ...args: string[]) => ["bun", join(import.meta.dirname, path), ...args];

/** Moves bytes both ways between the container and servers on two ports, each of which is to see the host. */
async function expectTransfers(net: Internet, tls?: TlsFiles): Promise<void> {
  const servers = new Map([
    [7443, await serve(net.router, 7443, tls)],
    [8443, await serve(net.router, 8443, tls)],
  ]);
  for (const [port, server] of servers) {
    for (const direction of ["download", "upload"] as const) {
      const target = { address: SERVER, port };
      const { sent, received } = await transfer(net.container(), target, direction, 16 * MEBIBYTE);
      expect(sent).toMatch(/^[0-9a-f]{64}$/);
      expect(received).toBe(sent);
    }
    const seen = server.events.filter(({ event }) => event === "connection").map(({ address }) => address);
    expect(seen).toEqual([PUBLIC_ADDRESS, PUBLIC_ADDRESS]);
  }
}

async function serveWeb(net: Internet, address: string): Promise<Program> {
  const server = net.router.spawn(script("internet/web.ts", address, "80"));
  await server.event("listening");
  return server;
}

/** The page and the status that a container gets from an address for a host name. */
async function get(container: NetworkNamespace, address: string, host: string): Promise<string> {
  const to = ["--header", `Host: ${host}`, `http://${address}/page`];
  const { stdout } = await container.run(["curl", "-s", "--max-time", "20", "-w", "%{http_code}", ...to]);
  return stdout;
}

/**
 * Fetches a page from each of the servers, which must see the host ask for the name. The private one must see no
 * request.
 */
async function expectPages(net: Internet, host: string, refused: (answer: string) => void): Promise<void> {
  const requests = (server: Program) => server.events.filter(({ event }) => event === "request");
  const request = { url: `http://${host}/page`, from: PUBLIC_ADDRESS };
  for (const address of SERVERS) {
    const server = await serveWeb(net, address);
    expect(await get(net.container(), address, host)).toBe(`A page of ${host}\n200`);
    expect(requests(server)).toMatchObject([request]);
  }
  const server = await serveWeb(net, PRIVATE);
  refused(await get(net.container(), PRIVATE, host));
  expect(requests(server)).toEqual([]);
}

test("haproxy takes TCP to where it was going, says where, and refuses what it should", async () => {
  await using net = await internet();
  const haproxy = await daemon(net.host, 9111, "haproxy", "-db", "-f", example("haproxy-tcp.cfg"));
  await expectTransfers(net);
  for (const port of [7443, 8443]) await haproxy.line(new RegExp(`^10\\.2\\.0\\.1:\\d+ -> ${SERVER}:${port} -- out=`));
  expect(await connectionError(net.container(), { address: PRIVATE, port: 7443 })).toMatch(REFUSED);
});

test("haproxy takes HTTP to where it was going, says which host, and refuses by name and address", async () => {
  await using net = await internet();
  const haproxy = await daemon(net.host, 9080, "haproxy", "-db", "-f", example("haproxy-http.cfg"));
  await expectPages(net, "www.example.test", (answer) => expect(answer).toBe("000"));
  for (const address of SERVERS) {
    await haproxy.line(
      new RegExp(`^10\\.2\\.0\\.1:\\d+ -> ${address}:80 .*"GET /page HTTP/1.1" host="www\\.example\\.test"`),
    );
  }
  expect(await get(net.container(), SERVER, "a.blocked.example")).toEndWith("403");
});

test("redsocks takes TCP through a SOCKS proxy, which is asked for where it was going", async () => {
  await using net = await internet();
  const socks = net.host.spawn(script("proxies/socks.ts", "127.0.0.1", "1080"));
  await socks.event("listening");
  const redsocks = await daemon(net.host, 9111, "redsocks", "-c", example("redsocks.conf"));
  await expectTransfers(net);
  expect(socks.events.flatMap(({ to }) => to ?? [])).toEqual(
    [7443, 7443, 8443, 8443].map((port) => `${SERVER}:${port}`),
  );
  await redsocks.line(new RegExp(`10\\.2\\.0\\.1:\\d+->${SERVER}:8443`));
});

test("stunnel wraps TCP in TLS and takes it to where it was going", async () => {
  await using net = await internet();
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  try {
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
    const request = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=www.example.test"];
    await must(["openssl", "req", "-x509", ...request, "-keyout", key, "-out", certificate]);
    await daemon(net.host, 9111, "stunnel4", example("stunnel.conf"));
    await expectTransfers(net, { key, certificate });
    const target = { address: PRIVATE, port: 7443 };
    const { sent, received } = await transfer(net.container(), target, "upload", MEBIBYTE);
    expect(received).toBe(sent);
    await must(net.host.inside(["nft", "-f", example("guard.nft")]));
    expect(await connectionError(net.container(), target)).toMatch(REFUSED);
    await transfer(net.container(), { address: SERVER, port: 7443 }, "upload", MEBIBYTE);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("squid intercepts HTTP, knows its host, and goes to where it was going whatever the host's name says", async () => {
  await using net = await internet();
  const resolver = net.router.spawn(script("internet/resolver.ts", RESOLVER, `www.example.test=${SERVER}`));
  await resolver.event("listening");
  // Its log and the host's resolv.conf, for it alone.
  const prepare = `
    mount -t tmpfs tmpfs /var/log/squid && chown proxy: /var/log/squid &&
      echo "nameserver ${RESOLVER}" >/var/log/squid/resolv.conf || exit
    file=$(realpath -m /etc/resolv.conf)
    # A link into /run leads nowhere in this sandbox, whose /run is its own.
    case $file in /run/*) mkdir -p "\${file%/*}" && touch "$file" ;; esac
    mount --bind /var/log/squid/resolv.conf "$file" && exec "$@"`;
  const own = ["unshare", "--mount", "--propagation", "private", "sh", "-c", prepare, "sh"];
  const squid = await daemon(net.host, 9080, ...own, "squid", "-N", "-f", example("squid.conf"));
  await expectPages(net, "www.example.test", (answer) => expect(answer).toEndWith("403"));
  const log = `/proc/${squid.pid}/root/var/log/squid/dp.log`;
  for (const address of SERVERS) {
    const line = new RegExp(
      `^\\S+ 10\\.2\\.0\\.1:\\d+ -> ${address}:80 \\S+/200 GET http://www\\.example\\.test/page `,
      "m",
    );
    // It answers first, and writes its log when it has time.
    for (let tries = 0; tries < 200 && !line.test(readFileSync(log, "utf8")); tries++) await Bun.sleep(50);
    expect(readFileSync(log, "utf8")).toMatch(line);
  }
});

test("guard.nft closes a proxy's ports on the uplinks, and keeps a proxy from the host itself", async () => {
  await using net = await internet();
  await daemon(net.host, 9111, "haproxy", "-db", "-f", example("haproxy-tcp.cfg"));
  await serve(net.host, 2222);
  const host = { address: PUBLIC_ADDRESS, port: 2222 };
  await transfer(net.container(), host, "upload", MEBIBYTE);
  for (let times = 0; times < 2; times++) await must(net.host.inside(["nft", "-f", example("guard.nft")]));
  expect(await connectionError(net.container(), host)).toMatch(REFUSED);
  expect(await refusal(net.player(), { port: 9111 })).toBe("ECONNREFUSED");
  await transfer(net.player(), host, "upload", MEBIBYTE);
  await expectTransfers(net);
});

/** What the internet's resolver knows: a name, and a text of 4 kB. */
async function serveNames(net: Internet): Promise<Program> {
  const text = Array.from({ length: 20 }, (_, at) => `--txt-record=big.example,${`${at} `.padEnd(200, "x")}`);
  const records = ["--host-record=www.example,93.184.215.14", ...text];
  const options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="];
  const bind = [
    `--listen-address=${RESOLVER}`,
    "--bind-interfaces",
    "--user=root",
    "--log-facility=-",
    "--log-queries",
  ];
  return await daemon(net.router, 53, "dnsmasq", ...options, ...bind, ...records);
}

/** Whichever resolver the container asks, and however, it hears what the internet's knows, and the host asked that. */
async function expectNames(net: Internet): Promise<void> {
  const resolver = await serveNames(net);
  const dig = async (...question: string[]) => {
    const { stdout } = await net.container().run(["dig", "+tries=3", "+time=5", ...question]);
    return stdout;
  };
  for (const server of ["192.0.2.53", "198.51.100.53"]) {
    for (const how of ["+notcp", "+tcp"]) {
      const answer = await dig(`@${server}`, how, "www.example", "A");
      expect(answer).toMatch(/^www\.example\.\s+\d+\s+IN\s+A\s+93\.184\.215\.14$/m);
      expect(answer).toContain(`SERVER: ${server}#53(${server}) (${how === "+tcp" ? "TCP" : "UDP"})`);
    }
    // Too long for a datagram: dig asks again by TCP, when it is told so.
    expect(await dig(`@${server}`, "+ignore", "big.example", "TXT")).toMatch(/flags:[^;]* tc[ ;]/);
    const answer = await dig(`@${server}`, "big.example", "TXT");
    expect(answer).toContain(";; Truncated, retrying in TCP mode.");
    expect(answer).toContain(`SERVER: ${server}#53(${server}) (TCP)`);
    expect(Array.from(answer.matchAll(/"(\d+) x+"/g), ([, at]) => Number(at)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, at) => at),
    );
    expect(Number(/MSG SIZE +rcvd: (\d+)/.exec(answer)?.[1])).toBeGreaterThan(4096);
  }
  await resolver.line(new RegExp(`query\\[A\\] www\\.example from ${PUBLIC_ADDRESS.replaceAll(".", "\\.")}`));
}

test("dnsmasq answers for any resolver, by UDP and TCP, long answers too", async () => {
  await using net = await internet();
  const options = ["--keep-in-foreground", `--conf-file=${example("dnsmasq.conf")}`];
  await daemon(net.host, 9053, "dnsmasq", ...options);
  await expectNames(net);
});

test("unbound answers for any resolver, by UDP and TCP, long answers too", async () => {
  await using net = await internet();
  await daemon(net.host, 9053, "unbound", "-d", "-c", example("unbound.conf"));
  await expectNames(net);
});
