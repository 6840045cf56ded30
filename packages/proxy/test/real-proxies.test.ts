/**
 * Runs the configurations of examples/ with their programs. Only those addresses are changed that the files tell the
 * reader to change. The tests of a program that is not installed are skipped, with a warning.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectFrom, listenIn, type Place, Sandbox, type TestSocket } from "./sandbox.ts";

const EXAMPLES = join(import.meta.dir, "../../../examples");
const ORIGIN = "203.0.113.10";

let sandbox: Sandbox;
let folder: string;
beforeAll(() => {
  sandbox = new Sandbox();
  folder = mkdtempSync(join(tmpdir(), "dp-examples-"));
});
afterAll(() => {
  sandbox?.[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function testWith(program: string, name: string, body: () => Promise<void>): void {
  const missing = Bun.which(program) === null;
  if (missing && process.env["CI"] !== undefined) throw new Error(`${program} is not installed, and CI needs it`);
  if (missing) console.warn(`skipped: ${program} is not installed`);
  test.skipIf(missing)(`${program} ${name}`, body, 30_000);
}

/** Copies an example, with parts of its text replaced. */
function example(file: string, changes: Record<string, string> = {}): string {
  let text = readFileSync(join(EXAMPLES, file), "utf8");
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
    text = text.replaceAll(from, to);
  }
  const path = join(folder, file);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

class Running implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  output = "";

  constructor(place: Place, ...command: string[]) {
    const child = Bun.spawn([...sandbox.enter(place), ...command], { stdout: "pipe", stderr: "pipe" });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) void this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.output += decoder.decode(bytes, { stream: true });
  }

  /** Waits until the program listens. */
  async listening(place: Place, port: number): Promise<this> {
    for (let tries = 0; tries < 500; tries++) {
      if (this.#child.exitCode !== null) break;
      const { stdout } = Bun.spawnSync([...sandbox.enter(place), "ss", "-Hlnt", `sport = :${port}`]);
      if (stdout.length > 0) return this;
      await Bun.sleep(20);
    }
    throw new Error(`the program does not listen: ${this.output}`);
  }

  /** Waits until the output matches. */
  async printed(pattern: RegExp): Promise<void> {
    for (let tries = 0; tries < 250 && !pattern.test(this.output); tries++) await Bun.sleep(20);
    expect(this.output).toMatch(pattern);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await Promise.race([this.#child.exited, Bun.sleep(3000).then(() => this.#child.kill("SIGKILL"))]);
    await this.#child.exited;
  }
}

const serve = (port: number, onConnection: (socket: TestSocket) => void) =>
  listenIn(sandbox, "w", { address: "0.0.0.0", port }, onConnection);

/** Sends a message to an echo server. Returns its answer, or how the connection ended without one. */
async function echo(address: string, port: number): Promise<string> {
  const client = connectFrom(sandbox, "c1", { address, port });
  await Promise.race([client.opened.promise.then(() => client.write("hello")), client.closed.promise]).catch(() => {});
  client.shutdown();
  const end = await Promise.race([client.closed.promise, Bun.sleep(3000).then(() => "timeout")]);
  return client.text === "" ? end : client.text;
}

const echoing = async (socket: TestSocket) => {
  await socket.fin.promise;
  await socket.write(`echo ${socket.text}`).catch(() => {});
  socket.shutdown();
};

const answeringHttp = (socket: TestSocket) => {
  socket.onData = (bytes) => {
    socket.chunks.push(bytes);
    if (!socket.text.includes("\r\n\r\n")) return;
    void socket
      .write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
      .then(() => socket.shutdown());
  };
};

async function get(address: string, host: string): Promise<string> {
  const curl = Bun.spawn(
    [
      ...sandbox.enter("c1"),
      "curl",
      "-s",
      "-m",
      "5",
      "-w",
      " %{http_code}",
      "-H",
      `Host: ${host}`,
      `http://${address}/page`,
    ],
    { stdout: "pipe" },
  );
  return new Response(curl.stdout).text();
}

const dig = async (...options: string[]) => {
  const command = [...sandbox.enter("c1"), "dig", "+tries=1", "+time=3", "@203.0.113.12", ...options];
  return (await new Response(Bun.spawn(command, { stdout: "pipe" }).stdout).text()).trim();
};

testWith("haproxy", "passes TCP on to its original destination, and refuses private destinations", async () => {
  using _ = serve(7000, echoing);
  await using haproxy = await new Running("h", "haproxy", "-db", "-f", example("haproxy-tcp.cfg")).listening("h", 9111);
  expect(await echo(ORIGIN, 7000)).toBe("echo hello");
  expect(await echo("203.0.113.11", 7000)).toBe("echo hello");
  await haproxy.printed(/10\.2\.0\.2:\d+ -> 203\.0\.113\.11:7000 .*out=5 in=10/);
  expect(await echo("10.99.0.1", 7000)).toMatch(/^(ECONNRESET|closed)$/);
});

testWith("haproxy", "passes HTTP on, logs its host, and refuses by name", async () => {
  using _ = serve(80, answeringHttp);
  await using haproxy = await new Running("h", "haproxy", "-db", "-f", example("haproxy-http.cfg")).listening(
    "h",
    9080,
  );
  expect(await get(ORIGIN, "www.example.org")).toBe("hello 200");
  await haproxy.printed(/-> 203\.0\.113\.10:80 .*"GET \/page HTTP\/1\.1" host="www\.example\.org"/);
  expect(await get(ORIGIN, "a.blocked.example")).toContain("403");
  expect(await get("10.99.0.1", "www.example.org")).toContain("000");
});

testWith("redsocks", "passes TCP on through a SOCKS proxy, with the original destination", async () => {
  const asked: string[] = [];
  // The parts of SOCKS5 (RFC 1928) that redsocks uses: no authentication, CONNECT to IPv4. It is also the destination.
  using _ = serve(1080, (socket) => {
    socket.onData = (bytes) => {
      if (bytes[0] === 5 && bytes.length <= 4) void socket.write(Uint8Array.from([5, 0]));
      else if (bytes[0] === 5) {
        asked.push(`${bytes.subarray(4, 8).join(".")}:${bytes.readUInt16BE(8)}`);
        void socket.write(Uint8Array.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      } else void socket.write(`socks ${bytes.toString()}`).then(() => socket.shutdown());
    };
  });
  const config = example("redsocks.conf", { "ip = 127.0.0.1": `ip = ${ORIGIN}` });
  await using redsocks = await new Running("h", "redsocks", "-c", config).listening("h", 9111);
  expect(await echo("198.51.100.77", 4321)).toBe("socks hello");
  expect(asked).toEqual(["198.51.100.77:4321"]);
  await redsocks.printed(/10\.2\.0\.2:\d+->198\.51\.100\.77:4321/);
});

testWith("stunnel4", "wraps TCP in TLS and sends it to its original destination", async () => {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a"];
  Bun.spawnSync(["openssl", ...request, "-keyout", key, "-out", certificate]);
  const server = ["s_server", "-quiet", "-accept", "7443", "-key", key, "-cert", certificate, "-rev"];
  await using _ = await new Running("w", "openssl", ...server).listening("w", 7443);
  await using __ = await new Running("h", "stunnel4", example("stunnel.conf")).listening("h", 9111);
  const client = connectFrom(sandbox, "c1", { address: ORIGIN, port: 7443 });
  await client.write("hello\n");
  await client.until(6);
  expect(client.text).toBe("olleh\n");
  client.reset();
});

testWith("squid", "intercepts HTTP, and ignores the Host header", async () => {
  using _ = serve(80, answeringHttp);
  // Squid writes its logs as the user "proxy".
  chmodSync(folder, 0o777);
  const config = example("squid.conf", { "/var/log/squid/": `${folder}/` });
  await using _squid = await new Running("h", "squid", "-N", "-f", config).listening("h", 9080);
  expect(await get(ORIGIN, ORIGIN)).toBe("hello 200");
  const line = /10\.2\.0\.2:\d+ -> 203\.0\.113\.10:80 .*GET http:\/\/203\.0\.113\.10\/page/;
  // Squid answers first and writes its log later.
  const log = join(folder, "dp.log");
  for (let tries = 0; tries < 50 && !line.test(readFileSync(log, "utf8")); tries++) await Bun.sleep(100);
  expect(readFileSync(log, "utf8")).toMatch(line);
  // The Host header has a public address, the connection a private destination. The destination decides.
  expect(await get("10.99.0.1", ORIGIN)).toContain("403");
});

const dnsmasqUpstream = () => {
  const long = Array.from({ length: 12 }, (_, at) => `--txt-record=big.example,${String(at).padStart(200, "x")}`);
  const records = ["--host-record=www.example,93.184.215.14", ...long];
  const options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="];
  const bind = [`--listen-address=${ORIGIN}`, "--bind-interfaces", "--user=root", "--log-facility=-"];
  return new Running("w", "dnsmasq", ...options, ...bind, ...records).listening("w", 53);
};

async function checkDns(): Promise<void> {
  expect(await dig("+short", "www.example", "A")).toBe("93.184.215.14");
  expect(await dig("+short", "+tcp", "www.example", "A")).toBe("93.184.215.14");
  // 2.4 kB and 512 bytes of room: truncated over UDP, so dig asks again over TCP.
  const text = await dig("+short", "+noedns", "big.example", "TXT");
  expect(text.split("\n").length).toBe(12);
  expect(await dig("+noedns", "+ignore", "big.example", "TXT")).toMatch(/flags:[^;]* tc/);
}

testWith("dnsmasq", "forwards DNS over UDP and TCP, a truncated answer too", async () => {
  await using _ = await dnsmasqUpstream();
  const config = example("dnsmasq.conf", { "server=9.9.9.9": `server=${ORIGIN}` });
  await using __ = await new Running(
    "h",
    "dnsmasq",
    "--keep-in-foreground",
    `--conf-file=${config}`,
    "--pid-file=",
  ).listening("h", 9053);
  await checkDns();
});

testWith("unbound", "forwards DNS over UDP and TCP, a truncated answer too", async () => {
  await using _ = await dnsmasqUpstream();
  const config = example("unbound.conf", { "forward-addr: 9.9.9.9": `forward-addr: ${ORIGIN}` });
  await using __ = await new Running("h", "unbound", "-d", "-c", config).listening("h", 9053);
  await checkDns();
});
