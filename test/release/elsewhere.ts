import { spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";

/**
 * Everywhere but the registry. A sandbox has no route to anybody; here is who tried: by HTTP, at the address that npm's
 * and bun's configuration names in these tests, and by DNS, whatever the name.
 */
export class Elsewhere implements AsyncDisposable {
  /** A registry that must not be asked. */
  readonly url = "http://127.0.0.1:4874/";
  readonly asked: string[] = [];
  readonly #http: Server;
  readonly #dns: Socket;
  readonly #unmount: string;

  private constructor(http: Server, dns: Socket, unmount: string) {
    this.#http = http;
    this.#dns = dns;
    this.#unmount = unmount;
  }

  static async open(folder: string): Promise<Elsewhere> {
    const http = createServer();
    const dns = createSocket("udp4");
    http.listen(4874, "127.0.0.1");
    dns.bind(53, "127.0.0.1");
    await Promise.all([once(http, "listening"), once(dns, "listening")]);
    const elsewhere = new Elsewhere(http, dns, resolveAt("127.0.0.1", folder));
    http.on("request", ({ method, url }, response) => {
      elsewhere.asked.push(`${method} ${url}`);
      response.writeHead(404).end();
    });
    dns.on("message", (query, { address, port }) => {
      elsewhere.asked.push(`name ${nameIn(query)}`);
      // The query as its own answer: no such name.
      const answer = Buffer.from(query);
      answer.writeUInt16BE(0x8183, 2);
      dns.send(answer, port, address);
    });
    return elsewhere;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    spawnSync("umount", [this.#unmount]);
    this.#dns.close();
    this.#http.closeAllConnections();
    this.#http.close();
  }
}

/** Puts a resolv.conf of our own over the machine's, in this sandbox. Returns where. */
function resolveAt(address: string, folder: string): string {
  const file = join(folder, "resolv.conf");
  writeFileSync(file, `nameserver ${address}\noptions timeout:1 attempts:1\n`);
  const place = spawnSync("realpath", ["-m", "/etc/resolv.conf"], { encoding: "utf8" }).stdout.trim();
  // systemd-resolved's is in /run, which is empty in a sandbox.
  if (place.startsWith("/run/")) {
    mkdirSync(join(place, ".."), { recursive: true });
    writeFileSync(place, "");
  }
  const { status, stderr } = spawnSync("mount", ["--bind", file, realpathSync(place)], { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot mount over ${place}: ${stderr}`);
  return place;
}

/** The name that a DNS query asks for. */
function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; (query[at] ?? 0) > 0; at += (query[at] as number) + 1) {
    labels.push(query.toString("latin1", at + 1, at + 1 + (query[at] as number)));
  }
  return labels.join(".");
}
