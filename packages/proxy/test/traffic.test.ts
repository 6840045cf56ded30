import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { ProxyUnderTest } from "./proxy-under-test.ts";
import { connectFrom, listenIn, type Place, PORTS, Sandbox, type TestSocket, VANISHING } from "./sandbox.ts";

const MIB = 1024 * 1024;
const ORIGIN = { address: "203.0.113.10", port: 7000 };

let sandbox: Sandbox;
beforeAll(() => {
  sandbox = new Sandbox();
});
afterAll(() => sandbox?.[Symbol.dispose]());

const connect = (place: Place, address: string, port: number) => connectFrom(sandbox, place, { address, port });
const listen = (port: number, onConnection: (socket: TestSocket) => void, address = "203.0.113.10") =>
  listenIn(sandbox, "w", { address, port }, onConnection);

/** Sends `blocks` random MiB, then FIN; the hash of all of them. */
async function sendRandom(socket: TestSocket, blocks: number): Promise<string> {
  const hash = createHash("sha256");
  for (let sent = 0; sent < blocks; sent++) {
    const block = randomBytes(MIB);
    hash.update(block);
    await socket.write(block);
  }
  socket.shutdown();
  return hash.digest("hex");
}

/** The hash of all bytes that arrive before FIN. */
async function hashReceived(socket: TestSocket): Promise<string> {
  const hash = createHash("sha256");
  socket.onData = (bytes) => hash.update(bytes);
  await socket.fin.promise;
  return hash.digest("hex");
}

describe("a connection through the proxy", () => {
  test("carries 64 MiB in both directions at once, unchanged, and is logged in one line", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    const origin = Promise.withResolvers<[string, string]>();
    using _ = listen(7000, (socket) => {
      origin.resolve(Promise.all([hashReceived(socket), sendRandom(socket, 64)]));
    });
    const client = connect("c1", ORIGIN.address, ORIGIN.port);
    const received = hashReceived(client);
    const sent = await sendRandom(client, 64);
    const [atOrigin, fromOrigin] = await origin.promise;
    expect(atOrigin).toBe(sent);
    expect(await received).toBe(fromOrigin);
    expect(await client.closed.promise).toBe("closed");
    expect(await proxy.nextLog()).toMatchObject({
      kind: "tcp",
      transport: "tcp",
      server: "one",
      serverId: 1,
      source: "10.2.0.2",
      destination: ORIGIN.address,
      destinationPort: ORIGIN.port,
      bytesOut: 64 * MIB,
      bytesIn: 64 * MIB,
      outcome: "closed",
      host: null,
    });
    expect((await proxy.stats()).connections).toBe(0);
  }, 60_000);

  test("stays open in one direction after FIN in the other, whichever side sends it first", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    using _ = listen(7000, async (socket) => {
      await socket.fin.promise;
      await Bun.sleep(200);
      await socket.write(`got ${socket.text}`);
      socket.shutdown();
    });
    using __ = listen(7001, async (socket) => {
      await socket.write("speaks first");
      socket.shutdown();
    });
    const first = connect("c1", ORIGIN.address, 7000);
    await first.write("question");
    first.shutdown();
    await first.fin.promise;
    expect(first.text).toBe("got question");
    expect(await proxy.nextLog()).toMatchObject({ outcome: "closed", bytesOut: 8, bytesIn: 12 });

    const second = connect("c1", ORIGIN.address, 7001);
    await second.fin.promise;
    expect(second.text).toBe("speaks first");
    await Bun.sleep(200);
    await second.write("late");
    second.shutdown();
    expect(await second.closed.promise).toBe("closed");
    expect(await proxy.nextLog()).toMatchObject({ outcome: "closed", bytesOut: 4, bytesIn: 12 });
  });

  test("to a destination that does not read needs little memory, and loses no bytes", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    let origin: TestSocket | undefined;
    using _ = listen(7000, (socket) => {
      socket.pause();
      origin = socket;
    });
    const before = await proxy.stats();
    const clients = Array.from({ length: 16 }, () => connect("c1", ORIGIN.address, 7000));
    await Promise.all(clients.map((client) => client.opened.promise));
    const block = randomBytes(MIB);
    // 64 MiB from each of 16 connections. Of each, the kernel's buffers take a few MiB and the proxy one or two.
    const sending = clients.map(async (client) => {
      for (let sent = 0; sent < 64; sent++) await client.write(block);
      client.shutdown();
    });
    await Bun.sleep(3000);
    const stuck = await proxy.stats();
    expect(stuck.bufferedBytes).toBeGreaterThan(0);
    expect(stuck.bufferedBytes).toBeLessThanOrEqual(16 * MIB);
    expect(stuck.memory - before.memory).toBeLessThan(128 * MIB);
    // A paused proxy does not spin.
    await Bun.sleep(500);
    expect((await proxy.stats()).cpuMs - stuck.cpuMs).toBeLessThan(200);
    origin?.resume();
    await origin?.fin.promise;
    expect(origin?.received).toBe(64 * MIB);
    for (const client of clients) client.reset();
    await Promise.allSettled(sending);
    for (let line = 0; line < 16; line++) expect((await proxy.nextLog()).outcome).toMatch(/^(closed|reset:client)$/);
    expect((await proxy.stats()).bufferedBytes).toBe(0);
  }, 60_000);

  test("that is blocked needs less memory the more there are: 400 need no more than a few", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    const held: TestSocket[] = [];
    using _ = listen(7000, (socket) => {
      socket.pause();
      held.push(socket);
    });
    const before = await proxy.stats();
    const clients = Array.from({ length: 400 }, () => connect("c1", ORIGIN.address, 7000));
    await Promise.all(clients.map((client) => client.opened.promise));
    const block = randomBytes(MIB);
    const moved = () => clients.reduce((sum, client) => sum + client.writeSome(block), 0);
    // Writes until all buffers on the way are full.
    for (let idle = 0; idle < 5; await Bun.sleep(100)) idle = moved() > 0 ? 0 : idle + 1;
    const stuck = await proxy.stats();
    expect(stuck.connections).toBe(400);
    expect(stuck.memory - before.memory).toBeLessThan(128 * MIB);
    for (const client of clients) client.reset();
  }, 60_000);

  test("of a container over its budget waits; those of another container do not", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { bufferedBytesPerServer: 1_000_000 } });
    const held: TestSocket[] = [];
    using _ = listen(7000, (socket) => {
      socket.pause();
      held.push(socket);
    });
    using __ = listen(7001, async (socket) => {
      await socket.until(4);
      await socket.write("pong");
      socket.shutdown();
    });
    const blocked = Array.from({ length: 40 }, () => connect("c1", ORIGIN.address, 7000));
    const block = randomBytes(MIB);
    const flood = blocked.map(async (client) => {
      for (;;) await client.write(block);
    });
    for (const one of flood) one.catch(() => {});
    // Waits until the kernel's buffers behind the proxy are full too, and the count no longer changes.
    for (let before = 0, still = 0; still < 10;) {
      await Bun.sleep(50);
      const { bufferedBytes } = await proxy.stats();
      still = bufferedBytes > 1_000_000 && bufferedBytes === before ? still + 1 : 0;
      before = bufferedBytes;
    }
    expect((await proxy.stats()).bufferedBytes).toBeLessThanOrEqual(4_000_000);
    const neighbour = connect("c2", ORIGIN.address, 7001);
    await neighbour.write("ping");
    await neighbour.fin.promise;
    expect(neighbour.text).toBe("pong");
    // The next connection of the same container waits until the blocked ones are closed.
    const own = connect("c1", ORIGIN.address, 7001);
    await own.write("ping");
    await Bun.sleep(300);
    expect(own.text).toBe("");
    for (const client of blocked) client.reset();
    await own.fin.promise;
    expect(own.text).toBe("pong");
  }, 30_000);

  test("leaks no descriptor, no memory and no usage entry, after thousands of short connections", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { ratePerServer: 10_000 } });
    using _ = listen(7000, async (socket) => {
      await socket.until(4);
      await socket.write("pong");
      socket.shutdown();
    });
    const one = async () => {
      const client = connect("c1", ORIGIN.address, 7000);
      await client.write("ping");
      await client.fin.promise;
      client.shutdown();
      await client.closed.promise;
      return client.text;
    };
    const many = async (count: number) => {
      for (let done = 0; done < count; done += 50) {
        const texts = await Promise.all(Array.from({ length: 50 }, one));
        expect(texts.every((text) => text === "pong")).toBe(true);
      }
    };
    await many(500);
    proxy.command("gc");
    const before = await proxy.stats();
    await many(4000);
    while ((await proxy.stats()).connections > 0) await Bun.sleep(20);
    proxy.command("gc");
    const after = await proxy.stats();
    expect(after.fds).toBe(before.fds);
    expect(after.memory - before.memory).toBeLessThan(48 * MIB);
    expect(after.outcomes).toEqual({ closed: 4500 });
    expect(after.servers).toEqual([]);
    expect(proxy.log.length).toBe(4500);
  }, 60_000);

  test("is not confused with another container's from the same source port", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    using _ = listen(7000, (socket) => void socket.write("a").then(() => socket.shutdown()));
    using __ = listen(7000, (socket) => void socket.write("b").then(() => socket.shutdown()), "203.0.113.11");
    const ask = (place: Place, address: string) => {
      const code = `import socket,sys\ns=socket.socket()\ns.setsockopt(1,2,1)\ns.bind(("",41000))
s.connect((sys.argv[1],7000))\nsys.stdout.write(s.recv(9).decode())`;
      const child = Bun.spawn([...sandbox.enter(place), "python3", "-c", code, address], { stdout: "pipe" });
      return new Response(child.stdout).text();
    };
    expect(await Promise.all([ask("c1", "203.0.113.10"), ask("c2", "203.0.113.11")])).toEqual(["a", "b"]);
    const lines = [await proxy.nextLog(), await proxy.nextLog()].sort((x, y) => x.source.localeCompare(y.source));
    expect(lines).toMatchObject([
      { server: "one", sourcePort: 41000, destination: "203.0.113.10" },
      { server: "two", sourcePort: 41000, destination: "203.0.113.11" },
    ]);
  });
});

describe("HTTP", () => {
  test("is passed on unchanged, and the log has the host", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    const seen: TestSocket[] = [];
    using _ = listen(80, async (socket) => {
      seen.push(socket);
      await socket.fin.promise;
      await socket.write("HTTP/1.1 204 No Content\r\n\r\n");
      socket.shutdown();
    });
    const ask = async (...parts: string[]) => {
      const client = connect("c1", ORIGIN.address, 80);
      for (const part of parts) {
        await client.write(part);
        await Bun.sleep(30);
      }
      client.shutdown();
      await client.fin.promise;
      expect(seen.at(-1)?.text).toBe(parts.join(""));
      expect(client.text).toContain("204");
      return proxy.nextLog();
    };
    expect(await ask("GE", "T / HTTP/1.1\r\nHo", "st: Example.org\r\n\r\n")).toMatchObject({
      kind: "http",
      host: "example.org",
      destinationPort: 80,
      outcome: "closed",
    });
    expect(await ask("no HTTP at all\r\n\r\n\x00\x01")).toMatchObject({ host: "-", outcome: "closed" });
    expect(await ask("")).toMatchObject({ host: "-", bytesOut: 0 });
  });
});

describe("a refused connection", () => {
  /** How the connection ended for the client, and its log entry. */
  const attempt = async (proxy: ProxyUnderTest, address: string, port: number, place: Place = "c1") => {
    const client = connect(place, address, port);
    return { client: await client.closed.promise, ...(await proxy.nextLog()) };
  };

  test("is one to a private, metadata, link-local or shared address, or to the host", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    using _ = listen(
      7000,
      () => {
        throw new Error("a refused connection reached the destination");
      },
      "0.0.0.0",
    );
    using __ = listenIn(sandbox, "h", { address: "0.0.0.0", port: 7000 }, () => {
      throw new Error("a refused connection reached the destination");
    });
    for (const address of ["10.99.0.1", "169.254.169.254", "192.168.7.7", "203.0.113.1", "100.64.3.3"]) {
      const result = await attempt(proxy, address, 7000);
      expect(result).toMatchObject({ client: "ECONNRESET", outcome: "refused:policy", destination: address });
      expect(result.rule).toStartWith("deny");
    }
    expect((await proxy.stats()).outcomes).toEqual({ "refused:policy": 5 });
  });

  test("is allowed by a rule, for its addresses and ports only", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, {
      policy: { allow: ["10.99.0.0/24:7000", "203.0.113.1:7000"], deny: ["203.0.113.10:7001"] },
    });
    const answer = (socket: TestSocket) => void socket.write("here").then(() => socket.shutdown());
    using _ = listen(7000, answer, "0.0.0.0");
    using __ = listenIn(sandbox, "h", { address: "203.0.113.1", port: 7000 }, answer);
    for (const address of ["10.99.0.1", "203.0.113.1"]) {
      const client = connect("c1", address, 7000);
      await client.fin.promise;
      expect(client.text).toBe("here");
      client.shutdown();
      expect(await proxy.nextLog()).toMatchObject({ outcome: "closed", destination: address });
    }
    expect(await attempt(proxy, "10.99.0.1", 7001)).toMatchObject({ outcome: "refused:policy" });
    expect(await attempt(proxy, "203.0.113.10", 7001)).toMatchObject({
      outcome: "refused:policy",
      rule: "deny 203.0.113.10/32:7001",
    });
  });

  test("is one to another server's container, also when its network is allowed", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { policy: { allow: ["10.0.0.0/8", "10.2.0.0/16:7000"] } });
    using _ = listenIn(sandbox, "c2", { address: "10.2.0.3", port: 7000 }, (socket) => void socket.write("here"));
    expect(await attempt(proxy, "10.2.0.3", 7000)).toMatchObject({
      client: "ECONNRESET",
      outcome: "refused:policy",
      rule: "deny (the container of a server)",
    });
    // An address in that network that belongs to no container.
    expect((await attempt(proxy, "10.2.0.77", 7000)).outcome).not.toStartWith("refused");
  });

  test("is not one to a container that is allowed by its own address", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { policy: { allow: ["10.2.0.3:7000"] } });
    using _ = listenIn(sandbox, "c2", { address: "10.2.0.3", port: 7000 }, (socket) => void socket.write("here"));
    const client = connect("c1", "10.2.0.3", 7000);
    await client.until(4);
    client.reset();
    expect(await proxy.nextLog()).toMatchObject({ outcome: "reset:client", destination: "10.2.0.3" });
  });

  test("is one to the proxy itself, at any of its addresses, whatever is allowed", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, {
      policy: { allow: ["203.0.113.1", "127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "10.1.0.3"] },
    });
    sandbox.nft("insert rule ip pxtest pre ip saddr 10.2.0.2 ip daddr 10.1.0.3 tcp dport 9080 redirect to :9111");
    for (const port of Object.values(PORTS)) {
      expect(await attempt(proxy, "203.0.113.1", port)).toMatchObject({
        client: "ECONNRESET",
        outcome: "refused:self",
      });
    }
    expect(await attempt(proxy, "10.1.0.3", PORTS.http)).toMatchObject({ outcome: "refused:self" });
  });

  test.each([
    ["looks up each address", "0"],
    ["lists the addresses", "1"],
  ])("is one to an address that was just added to the host, when the proxy %s", async (_name, nonlocalBind) => {
    const setNonlocalBind = (value: string) =>
      Bun.spawnSync([...sandbox.enter("h"), "sysctl", "-qw", `net.ipv4.ip_nonlocal_bind=${value}`]).exitCode;
    expect(setNonlocalBind(nonlocalBind)).toBe(0);
    await using proxy = await ProxyUnderTest.start(sandbox);
    using _ = listenIn(sandbox, "h", { address: "0.0.0.0", port: 7000 }, () => {});
    // A list of addresses was read now, and is not read again for two seconds.
    expect(await attempt(proxy, "203.0.113.1", 7000)).toMatchObject({ outcome: "refused:policy" });
    sandbox.ip("h", "addr add 203.0.113.77/32 dev up0");
    const result = await attempt(proxy, "203.0.113.77", 7000);
    sandbox.ip("h", "addr del 203.0.113.77/32 dev up0");
    setNonlocalBind("0");
    expect(result).toMatchObject({ client: "ECONNRESET", outcome: "refused:policy" });
    expect(result.rule).toContain("address of the host");
  });

  test("is one that was not redirected", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    // For a connection in conntrack the original destination is its destination: the proxy itself.
    expect(await attempt(proxy, "10.1.0.2", PORTS.http)).toMatchObject({
      client: "ECONNRESET",
      outcome: "refused:self",
    });
    // An untracked connection has no original destination, as on a host without conntrack.
    // The source ports are new: conntrack still has entries of the connections before.
    sandbox.in("c1", () => writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "20000 29999"));
    sandbox.nft(`
      table ip pxtest-raw {
        chain pre { type filter hook prerouting priority raw; ip daddr { 10.1.0.2, 203.0.113.1 } notrack; }
        chain out { type filter hook output priority raw; ip saddr { 10.1.0.2, 203.0.113.1 } notrack; }
      }`);
    for (const port of Object.values(PORTS)) {
      expect(await attempt(proxy, "10.1.0.2", port)).toMatchObject({
        client: "ECONNRESET",
        outcome: "refused:no-original-destination",
        destination: null,
        server: "one",
      });
    }
    expect(await attempt(proxy, "203.0.113.1", PORTS.tcp, "w")).toMatchObject({
      outcome: "refused:no-original-destination",
      server: null,
    });
    sandbox.nft("delete table ip pxtest-raw");
  });

  test("is a redirected one from an unknown source, unless these are served", async () => {
    sandbox.ip("c1", "addr add 10.2.0.99/32 dev eth0");
    sandbox.ip("h", "route add 10.2.0.99/32 dev hp1");
    using _ = listen(7000, (socket) => void socket.write("here").then(() => socket.shutdown()));
    const fromUnknownSource = () =>
      Bun.spawn([...sandbox.enter("c1"), "socat", "-u", "TCP:203.0.113.10:7000,bind=10.2.0.99", "-"], {
        stdout: "pipe",
        stderr: "ignore",
      });
    {
      await using proxy = await ProxyUnderTest.start(sandbox);
      expect(await new Response(fromUnknownSource().stdout).text()).toBe("");
      expect(await proxy.nextLog()).toMatchObject({ outcome: "refused:unknown-source", source: "10.2.0.99" });
    }
    await using proxy = await ProxyUnderTest.start(sandbox, { unknownSources: "serve" });
    expect(await new Response(fromUnknownSource().stdout).text()).toBe("here");
    expect(await proxy.nextLog()).toMatchObject({ outcome: "closed", server: null });
  });

  test("is one over the limit of a container; another container has its own limit", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { connectionsPerServer: 3 } });
    using _ = listen(7000, (socket) => void socket.write("x"));
    const clients = Array.from({ length: 3 }, () => connect("c1", ORIGIN.address, 7000));
    await Promise.all(clients.map((client) => client.until(1)));
    expect(await attempt(proxy, ORIGIN.address, 7000)).toMatchObject({
      client: "ECONNRESET",
      outcome: "refused:limit",
    });
    const other = connect("c2", ORIGIN.address, 7000);
    await other.until(1);
    clients[0]?.reset();
    expect(await proxy.nextLog()).toMatchObject({ outcome: "reset:client" });
    const next = connect("c1", ORIGIN.address, 7000);
    await next.until(1);
    for (const client of [...clients, other, next]) client.reset();
  });

  test("is one over the limit of descriptors", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { descriptors: 5 } });
    using _ = listen(7000, (socket) => void socket.write("x"));
    const clients = [connect("c1", ORIGIN.address, 7000), connect("c2", ORIGIN.address, 7000)];
    await Promise.all(clients.map((client) => client.until(1)));
    expect(await attempt(proxy, ORIGIN.address, 7000)).toMatchObject({ outcome: "refused:limit" });
    for (const client of clients) client.reset();
  });
});

describe("a destination", () => {
  test("that refuses, is unreachable or does not answer: the client is reset and the reason is logged", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { connectTimeoutMs: 700 } });
    const attempt = async (address: string) => {
      const client = connect("c1", address, 7999);
      return { client: await client.closed.promise, ...(await proxy.nextLog()) };
    };
    expect(await attempt(ORIGIN.address)).toMatchObject({
      client: "ECONNRESET",
      outcome: "connect-failed:ECONNREFUSED",
    });
    // Bun 1.4.5 has one code for all failures to connect (not for timeouts of ours); EHOSTUNREACH would be right.
    expect((await attempt("198.51.100.7")).outcome).toMatch(/^connect-failed:(EHOSTUNREACH|ECONNREFUSED)$/);
    const before = (await proxy.stats()).fds;
    const unanswered = await attempt(VANISHING);
    expect(unanswered).toMatchObject({ client: "ECONNRESET", outcome: "timeout:connect" });
    expect(unanswered.durationMs).toBeGreaterThan(650);
    expect((await proxy.stats()).fds).toBe(before);
  });

  test("is given up when the client resets", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    const client = connect("c1", VANISHING, 7000);
    await client.opened.promise;
    await Bun.sleep(100);
    const { fds } = await proxy.stats();
    client.reset();
    expect(await proxy.nextLog()).toMatchObject({ outcome: "reset:client" });
    expect((await proxy.stats()).fds).toBe(fds - 2);
  });

  test("that resets: the client is reset after it received everything", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    using _ = listen(7000, async (socket) => {
      await socket.until(1);
      await socket.write(new Uint8Array(200_000));
      await Bun.sleep(100);
      socket.reset();
    });
    const client = connect("c1", ORIGIN.address, 7000);
    client.opened.promise.then(() => client.pause());
    await client.write("x");
    await Bun.sleep(400);
    client.resume();
    expect(await client.closed.promise).toBe("ECONNRESET");
    expect(client.received).toBe(200_000);
    expect(await proxy.nextLog()).toMatchObject({ outcome: "reset:upstream", bytesIn: 200_000 });
  });

  test("is reset when the client resets", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    const origin = Promise.withResolvers<TestSocket>();
    using _ = listen(7000, origin.resolve);
    const client = connect("c1", ORIGIN.address, 7000);
    await client.write("x");
    await (await origin.promise).until(1);
    client.reset();
    expect(await (await origin.promise).closed.promise).toBe("ECONNRESET");
    expect(await proxy.nextLog()).toMatchObject({ outcome: "reset:client", bytesOut: 1 });
  });

  test("or client that vanished is detected by keepalive, and the other side is reset", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { keepAliveMs: 1000 } });
    const origin = Promise.withResolvers<TestSocket>();
    using _ = listen(7000, origin.resolve);
    using __ = listen(7000, (socket) => void socket.write("x"), "203.0.113.11");
    const first = connect("c1", ORIGIN.address, 7000);
    await first.write("x");
    await (await origin.promise).until(1);
    const second = connect("c2", "203.0.113.11", 7000);
    await second.until(1);
    // The client of the first connection and the destination of the second one vanish.
    sandbox.nft(`
      table ip pxtest-gone {
        chain pre { type filter hook prerouting priority raw; ip saddr { 10.2.0.2, 203.0.113.11 } drop; }
      }`);
    try {
      expect(await (await origin.promise).closed.promise).toBe("ECONNRESET");
      expect(await second.closed.promise).toBe("ECONNRESET");
      const lines = [await proxy.nextLog(), await proxy.nextLog()];
      for (const line of lines) expect(line.outcome).toBe("timeout:keepalive");
    } finally {
      sandbox.nft("delete table ip pxtest-gone");
    }
    first.reset();
  }, 60_000);

  test("and client that send nothing are reset after the idle timeout", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { idleTimeoutMs: 1000 } });
    const origin = Promise.withResolvers<TestSocket>();
    using _ = listen(7000, origin.resolve);
    const client = connect("c1", ORIGIN.address, 7000);
    for (let times = 0; times < 4; times++) {
      await client.write("x");
      await Bun.sleep(500);
    }
    expect((await proxy.stats()).connections).toBe(1);
    expect(await client.closed.promise).toBe("ECONNRESET");
    expect(await (await origin.promise).closed.promise).toBe("ECONNRESET");
    const line = await proxy.nextLog();
    expect(line.outcome).toBe("timeout:idle");
    expect(line.durationMs).toBeGreaterThan(2400);
  });
});

describe("a server that is removed", () => {
  test.each(["remove", "replace"] as const)("has its connections reset, and other servers do not (%s)", async (how) => {
    await using proxy = await ProxyUnderTest.start(sandbox);
    const origins: TestSocket[] = [];
    using _ = listen(7000, (socket) => {
      origins.push(socket);
      void socket.write("x");
    });
    const own = connect("c1", ORIGIN.address, 7000);
    await own.until(1);
    const other = connect("c2", ORIGIN.address, 7000);
    const connecting = connect("c1", VANISHING, 7000);
    const asking = connect("c1", ORIGIN.address, 53);
    await Promise.all([other.until(1), connecting.opened.promise, asking.opened.promise]);
    proxy.command(how);
    for (const socket of [own, connecting, asking]) expect(await socket.closed.promise).toBe("ECONNRESET");
    const lines = [await proxy.nextLog(), await proxy.nextLog(), await proxy.nextLog()];
    for (const line of lines) expect(line).toMatchObject({ server: "one", outcome: "server-removed" });
    expect(await (origins[0] as TestSocket).closed.promise).toBe("ECONNRESET");
    await other.write("still there");
    await origins[1]?.until(11);
    other.reset();
  });
});

describe("stopping", () => {
  test("lets open connections finish, accepts no new ones, and ends the process", async () => {
    // Longer than it takes to refuse a connection on a busy machine, where a SYN may be sent again.
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { drainMs: 45_000 } });
    using _ = listen(7000, async (socket) => {
      await socket.until(1);
      await Bun.sleep(600);
      await socket.write("late answer");
      socket.shutdown();
    });
    const client = connect("c1", ORIGIN.address, 7000);
    await client.write("x");
    await Bun.sleep(100);
    proxy.command("stop");
    await Bun.sleep(100);
    expect(await connect("c1", ORIGIN.address, 7000).closed.promise).toMatch(/ECONNREFUSED|ECONNRESET/);
    await client.fin.promise;
    expect(client.text).toBe("late answer");
    client.shutdown();
    expect(await proxy.exited).toBe(0);
    expect(await proxy.nextLog()).toMatchObject({ outcome: "closed" });
  });

  test("resets connections that have not finished in time", async () => {
    await using proxy = await ProxyUnderTest.start(sandbox, { limits: { drainMs: 300 } });
    using _ = listen(7000, () => {});
    const open = connect("c1", ORIGIN.address, 7000);
    const connecting = connect("c1", VANISHING, 7000);
    await open.write("x");
    await connecting.opened.promise;
    await Bun.sleep(100);
    proxy.command("stop");
    expect(await open.closed.promise).toBe("ECONNRESET");
    expect(await connecting.closed.promise).toBe("ECONNRESET");
    expect(await proxy.exited).toBe(0);
    expect((await proxy.nextLog()).outcome).toBe("stopped");
    expect((await proxy.nextLog()).outcome).toBe("stopped");
  });
});
