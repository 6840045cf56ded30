import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { DnsFrameReader, dnsFrame } from "../src/dns/frames.ts";
import { Rcode, readDnsHeader, readDnsQuestion, withDnsId } from "../src/dns/message.ts";
import type { Endpoint } from "../src/endpoint.ts";
import { answerTo, query } from "./dns-builder.ts";
import { ProxyUnderTest } from "./proxy-under-test.ts";
import { connectFrom, listenIn, type Place, PORTS, Sandbox, udpIn, VANISHING } from "./sandbox.ts";

let sandbox: Sandbox;
beforeAll(() => {
  sandbox = new Sandbox();
});
afterAll(() => sandbox?.[Symbol.dispose]());

/** The resolver that the containers are configured with. No program listens there. */
const ASKED: Endpoint = { address: "203.0.113.12", port: 53 };
const A = "203.0.113.10:53";
const B = "203.0.113.11:53";

interface Received {
  readonly message: Buffer;
  readonly from: Endpoint;
  readonly transport: "udp" | "tcp";
  /** Sends a datagram or a framed message. */
  readonly reply: (message: Uint8Array) => void;
}

/** A DNS server in the namespace "w". Each query is passed to `onQuery` and kept in `seen`. */
async function resolver(at: string, onQuery: (received: Received) => void): Promise<{ seen: Received[] } & Disposable> {
  const [address = "", port] = at.split(":");
  const endpoint = { address, port: Number(port) };
  const seen: Received[] = [];
  const receive = (received: Received) => {
    seen.push(received);
    onQuery(received);
  };
  const datagrams = await udpIn(sandbox, "w", endpoint, (socket, message, from) => {
    receive({ message, from, transport: "udp", reply: (answer) => void socket.send(answer, from.port, from.address) });
  });
  const listener = listenIn(sandbox, "w", endpoint, (socket) => {
    const frames = new DnsFrameReader();
    socket.onData = (bytes) => {
      for (const message of frames.push(bytes)) {
        const reply = (answer: Uint8Array) => void socket.write(dnsFrame(answer));
        receive({ message: Buffer.from(message), from: { address: "", port: 0 }, transport: "tcp", reply });
      }
    };
    void socket.fin.promise.then(() => socket.shutdown());
  });
  return {
    seen,
    [Symbol.dispose]() {
      datagrams.close();
      listener[Symbol.dispose]();
    },
  };
}

const answering = (text: string) => (received: Received) => received.reply(answerTo(received.message, { text }));

interface Answer {
  readonly message: Buffer;
  readonly from: Endpoint;
}

/** Sends datagrams from a container. Returns the answers of `time` milliseconds, or earlier when all have arrived. */
async function ask(messages: Uint8Array[], time = 4000, to = ASKED, place: Place = "c1"): Promise<Answer[]> {
  const answers: Answer[] = [];
  const socket = await udpIn(sandbox, place, { address: "0.0.0.0", port: 0 }, (_, message, from) => {
    answers.push({ message: Buffer.from(message), from });
  });
  for (const message of messages) socket.send(message, to.port, to.address);
  const deadline = performance.now() + time;
  while (answers.length < messages.length && performance.now() < deadline) await Bun.sleep(2);
  socket.close();
  return answers;
}

const start = (resolvers: string[], limits = {}) =>
  ProxyUnderTest.start(sandbox, { resolvers, limits: { resolverTimeoutMs: 300, queryTimeoutMs: 1500, ...limits } });

describe("a DNS query over UDP", () => {
  test("is answered from the address it was sent to, with its own id, and logged", async () => {
    await using proxy = await start([A]);
    using server = await resolver(A, answering("hello"));
    const [answer] = await ask([query({ id: 0x4242, name: "www.example.org", type: 16 })]);
    expect(answer?.from).toEqual(ASKED);
    expect(readDnsHeader(answer?.message as Buffer)).toMatchObject({ id: 0x4242, response: true, rcode: 0 });
    expect(answer?.message.toString("latin1")).toContain("hello");
    expect(server.seen.length).toBe(1);
    expect(await proxy.nextLog()).toMatchObject({
      kind: "dns",
      transport: "udp",
      server: "one",
      source: "10.2.0.2",
      destination: null,
      question: "www.example.org",
      questionType: "TXT",
      rcode: "NOERROR",
      resolver: A,
      outcome: "answered",
      bytesOut: 33,
      bytesIn: answer?.message.length as number,
    });
  });

  test("to the host peer itself is answered from the host peer's address", async () => {
    await using _ = await start([A]);
    using __ = await resolver(A, answering("hello"));
    for (const [place, address] of [
      ["c1", "10.1.0.2"],
      ["c2", "10.1.0.3"],
    ] as const) {
      const to = { address, port: PORTS.dns };
      const [answer] = await ask([query({ name: "a.example" })], 2000, to, place);
      expect(answer?.from).toEqual(to);
    }
  });

  test("is forwarded with a new random id, from a new port", async () => {
    await using _ = await start([A]);
    using server = await resolver(A, answering("x"));
    const queries = Array.from({ length: 40 }, () => query({ id: 7, name: "a.example" }));
    expect((await ask(queries)).length).toBe(40);
    expect(new Set(server.seen.map(({ message }) => readDnsHeader(message)?.id)).size).toBeGreaterThan(35);
    expect(new Set(server.seen.map(({ from }) => from.port)).size).toBeGreaterThan(35);
  });

  test("accepts only an answer with the right sender, id and question", async () => {
    await using proxy = await start([A]);
    const otherSender = await udpIn(sandbox, "w", { address: "203.0.113.11", port: 53 }, () => {});
    using _ = await resolver(A, ({ message, from, reply }) => {
      otherSender.send(answerTo(message, { text: "forged sender" }), from.port, from.address);
      reply(answerTo(withDnsId(message, (readDnsHeader(message)?.id as number) ^ 1), { text: "forged id" }));
      reply(answerTo(query({ id: readDnsHeader(message)?.id as number, name: "b.example" }), { text: "forged name" }));
      reply(message);
      reply(new Uint8Array(5));
      setTimeout(() => reply(answerTo(message, { text: "genuine" })), 50);
    });
    const answers = await ask([query({ name: "a.example" })]);
    otherSender.close();
    expect(answers.map(({ message }) => message.toString("latin1").slice(-7))).toEqual(["genuine"]);
    expect(await proxy.nextLog()).toMatchObject({ outcome: "answered" });
  });

  test("gets a truncated answer unchanged, and the client asks again over TCP", async () => {
    await using proxy = await start([A]);
    const text = "long ".repeat(2000);
    using _ = await resolver(A, ({ message, transport, reply }) => {
      reply(transport === "udp" ? answerTo(message, { truncated: true }) : answerTo(message, { text }));
    });
    const [answer] = await ask([query({ name: "big.example", type: 16 })]);
    expect(readDnsHeader(answer?.message as Buffer)).toMatchObject({ truncated: true, rcode: 0 });
    await proxy.nextLog();
    const dig = Bun.spawn(
      [...sandbox.enter("c1"), "dig", "+noedns", "+short", `@${ASKED.address}`, "big.example", "TXT"],
      {
        stdout: "pipe",
      },
    );
    const printed = (await new Response(dig.stdout).text()).replaceAll('" "', "");
    expect(printed).toContain(text);
    expect(await proxy.nextLog()).toMatchObject({ transport: "udp", rcode: "NOERROR" });
    const line = await proxy.nextLog();
    expect(line).toMatchObject({
      transport: "tcp",
      destination: ASKED.address,
      destinationPort: 53,
      question: "big.example",
    });
    expect(line.bytesIn).toBeGreaterThan(10_000);
  });

  test("from an unknown source gets no answer at all", async () => {
    await using proxy = await start([A]);
    using server = await resolver(A, answering("hello"));
    const to = { address: "203.0.113.1", port: PORTS.dns };
    expect(await ask([query({ name: "a.example" })], 400, to, "w")).toEqual([]);
    expect(server.seen).toEqual([]);
    expect(await proxy.nextLog()).toMatchObject({ outcome: "refused:unknown-source", server: null, bytesIn: 0 });
  });

  test("gets no answer when it is no query, and an error when it cannot be forwarded", async () => {
    await using proxy = await start([A]);
    using server = await resolver(A, answering("hello"));
    expect(await ask([new Uint8Array(5), answerTo(query({ name: "a.example" }))], 300)).toEqual([]);
    const [answer] = await ask([query({ id: 9, name: "example", type: 252 })]);
    expect(readDnsHeader(answer?.message as Buffer)).toMatchObject({ id: 9, rcode: Rcode.REFUSED });
    expect(server.seen).toEqual([]);
    expect((await proxy.stats()).outcomes).toEqual({ "refused:malformed": 3 });
  });

  test("over the limit of a container is refused; another container has its own limit", async () => {
    await using proxy = await start([A], { queriesPerServer: 4 });
    const waiting: Received[] = [];
    using _ = await resolver(A, (received) => void waiting.push(received));
    const asking = ask(Array.from({ length: 6 }, (__, id) => query({ id, name: "a.example" })));
    while (waiting.length < 4) await Bun.sleep(2);
    const neighbour = ask([query({ name: "a.example" })], 2000, ASKED, "c2");
    while (waiting.length < 5) await Bun.sleep(2);
    for (const received of waiting) answering("x")(received);
    const rcodes = (await asking).map(({ message }) => readDnsHeader(message)?.rcode);
    expect(rcodes.filter((rcode) => rcode === Rcode.REFUSED).length).toBe(2);
    expect(rcodes.filter((rcode) => rcode === Rcode.NOERROR).length).toBe(4);
    expect(readDnsHeader((await neighbour)[0]?.message as Buffer)?.rcode).toBe(Rcode.NOERROR);
    expect((await proxy.stats()).outcomes).toEqual({ answered: 5, "refused:limit": 2 });
  });

  test("is answered while another container does not wait for its answers", async () => {
    await using proxy = await start([A]);
    using _ = await resolver(A, (received) => void setTimeout(() => answering("x")(received), 20));
    for (let round = 0; round < 20; round++) {
      const [, , patient] = await Promise.all([
        ask([query({ name: "a.example" })], 0),
        ask([query({ name: "a.example" })], 0),
        ask(
          Array.from({ length: 10 }, (__, id) => query({ id, name: "a.example" })),
          2000,
          ASKED,
          "c2",
        ),
      ]);
      expect(patient?.length).toBe(10);
    }
    expect(proxy.warnings).toEqual([]);
  });

  test("leaks nothing, after thousands of queries", async () => {
    await using proxy = await start([A], { ratePerServer: 10_000 });
    using _ = await resolver(A, answering("x"));
    const round = async () => {
      const queries = Array.from({ length: 60 }, (__, id) => query({ id, name: "a.example" }));
      expect((await ask(queries)).length).toBe(60);
    };
    await round();
    const before = await proxy.stats();
    for (let rounds = 0; rounds < 50; rounds++) await round();
    const after = await proxy.stats();
    expect(after.fds).toBe(before.fds);
    expect(after).toMatchObject({ queries: 0, servers: [], outcomes: { answered: 51 * 60 } });
  }, 30_000);
});

describe("a resolver", () => {
  const rcodeOf = (answer: Answer | undefined) => answer && readDnsHeader(answer.message)?.rcode;

  test("that does not answer is followed by the next one, and asked last from then on", async () => {
    await using proxy = await start([A, B]);
    using failing = await resolver(A, () => {});
    using _ = await resolver(B, answering("from B"));
    const [first] = await ask([query({ name: "a.example" })]);
    expect(first?.message.toString("latin1")).toContain("from B");
    const line = await proxy.nextLog();
    expect(line).toMatchObject({ resolver: B, outcome: "answered" });
    expect(line.durationMs).toBeGreaterThan(280);
    await ask([query({ name: "a.example" })]);
    expect(failing.seen.length).toBe(1);
  });

  test("that is the only one gets more time, and is asked again", async () => {
    await using proxy = await start([A]);
    // The first query is not answered.
    const late = (received: Received) => void setTimeout(() => answering("late")(received), 500);
    using server = await resolver(A, (received) => server.seen.length > 1 && late(received));
    const [answer] = await ask([query({ name: "a.example" })]);
    expect(answer?.message.toString("latin1")).toContain("late");
    expect(await proxy.nextLog()).toMatchObject({ resolver: A, outcome: "answered" });
    expect(server.seen.length).toBe(2);
  });

  test.each([
    ["refuses", "203.0.113.12:54"],
    ["cannot be reached", "198.51.100.7"],
    ["has no route", "2001:db8::53"],
  ])("that %s is followed by the next one at once", async (_, address) => {
    await using proxy = await start([address, B], { resolverTimeoutMs: 60_000, queryTimeoutMs: 120_000 });
    using __ = await resolver(B, answering("from B"));
    expect(rcodeOf((await ask([query({ name: "a.example" })], 30_000))[0])).toBe(Rcode.NOERROR);
    expect(await proxy.nextLog()).toMatchObject({ resolver: B });
  });

  test("that answers SERVFAIL is followed by the next one; when all do, the first answer is passed on", async () => {
    await using proxy = await start([A, B]);
    using _ = await resolver(A, ({ message, reply }) => reply(answerTo(message, { rcode: Rcode.SERVFAIL })));
    {
      using __ = await resolver(B, answering("from B"));
      expect(rcodeOf((await ask([query({ name: "a.example" })]))[0])).toBe(Rcode.NOERROR);
      expect(await proxy.nextLog()).toMatchObject({ resolver: B });
    }
    using __ = await resolver(B, ({ message, reply }) => reply(answerTo(message, { rcode: Rcode.REFUSED })));
    expect(rcodeOf((await ask([query({ name: "a.example" })]))[0])).toBe(Rcode.SERVFAIL);
    expect(await proxy.nextLog()).toMatchObject({ resolver: A, rcode: "SERVFAIL", outcome: "answered" });
  });

  test("that answers NXDOMAIN has answered", async () => {
    await using proxy = await start([A, B]);
    using _ = await resolver(A, ({ message, reply }) => reply(answerTo(message, { rcode: Rcode.NXDOMAIN })));
    using other = await resolver(B, answering("from B"));
    expect(rcodeOf((await ask([query({ name: "a.example" })]))[0])).toBe(Rcode.NXDOMAIN);
    expect(await proxy.nextLog()).toMatchObject({ resolver: A, rcode: "NXDOMAIN" });
    expect(other.seen).toEqual([]);
  });

  test("that does not answer, like all others, leads to SERVFAIL in bounded time", async () => {
    await using proxy = await start([VANISHING, "203.0.113.10:54"]);
    const [answer] = await ask([query({ id: 5, name: "a.example" })]);
    expect(readDnsHeader(answer?.message as Buffer)).toMatchObject({ id: 5, rcode: Rcode.SERVFAIL });
    expect(readDnsQuestion(answer?.message as Buffer)?.name).toBe("a.example");
    const line = await proxy.nextLog();
    expect(line.outcome).toMatch(/^(timeout:dns|connect-failed:ECONNREFUSED)$/);
    expect(line.resolver).toBeNull();
    expect(line.durationMs).toBeLessThan(15_000);
  });
});

describe("DNS over TCP", () => {
  const open = async () => {
    const socket = connectFrom(sandbox, "c1", ASKED);
    const answers: Uint8Array[] = [];
    const frames = new DnsFrameReader();
    socket.onData = (bytes) => answers.push(...frames.push(bytes));
    await socket.opened.promise;
    return { socket, answers };
  };

  test("carries pipelined queries, split anywhere, and sends answers as they arrive, also after FIN", async () => {
    await using proxy = await start([A]);
    using server = await resolver(A, (received) => {
      setTimeout(() => answering("x")(received), readDnsQuestion(received.message)?.name === "slow.example" ? 200 : 0);
    });
    const { socket, answers } = await open();
    const bytes = Buffer.concat(
      ["slow.example", "a.example", "b.example"].map((name, id) => dnsFrame(query({ id, name }))),
    );
    for (const cut of [bytes.subarray(0, 1), bytes.subarray(1, 40), bytes.subarray(40)]) {
      await socket.write(cut);
      await Bun.sleep(20);
    }
    socket.shutdown();
    expect(await socket.closed.promise).toBe("closed");
    expect(answers.map((answer) => readDnsHeader(answer)?.id).sort()).toEqual([0, 1, 2]);
    expect(readDnsHeader(answers.at(-1) as Uint8Array)?.id).toBe(0);
    expect(server.seen.every(({ transport }) => transport === "tcp")).toBe(true);
    for (let lines = 0; lines < 3; lines++) {
      expect(await proxy.nextLog()).toMatchObject({ kind: "dns", transport: "tcp", outcome: "answered", resolver: A });
    }
    expect((await proxy.stats()).connections).toBe(0);
    expect(proxy.log.length).toBe(3);
  });

  test("asks the next resolver as UDP does", async () => {
    await using proxy = await start(["203.0.113.12:54", VANISHING, B]);
    using _ = await resolver(B, answering("from B"));
    const { socket, answers } = await open();
    await socket.write(dnsFrame(query({ name: "a.example" })));
    while (answers.length === 0) await Bun.sleep(2);
    socket.shutdown();
    expect(await proxy.nextLog()).toMatchObject({ resolver: B });
  });

  test("answers 100 pipelined queries, and forwards at most 16 at a time", async () => {
    await using _ = await start([A]);
    let now = 0;
    let most = 0;
    using __ = await resolver(A, (received) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        answering("x")(received);
      }, 5);
    });
    const { socket, answers } = await open();
    const frames = Array.from({ length: 100 }, (___, id) => dnsFrame(query({ id, name: "a.example" })));
    await socket.write(Buffer.concat(frames));
    socket.shutdown();
    await socket.closed.promise;
    expect(answers.length).toBe(100);
    expect(most).toBeWithin(2, 17);
  });

  test("is not read while the container does not take its answers, or is over its budget", async () => {
    await using proxy = await start([A], {
      bufferedBytesPerServer: 500_000,
      queryTimeoutMs: 6000,
      resolverTimeoutMs: 5000,
    });
    const text = "long ".repeat(12_000);
    using server = await resolver(A, answering(text));
    const { socket } = await open();
    socket.pause();
    const frames = Array.from({ length: 500 }, (_, id) => dnsFrame(query({ id, name: "big.example", type: 16 })));
    await socket.write(Buffer.concat(frames));
    let asked = 0;
    for (let idle = 0; idle < 10; await Bun.sleep(50)) {
      idle = server.seen.length > asked ? 0 : idle + 1;
      asked = server.seen.length;
    }
    // The kernel's buffers, sixteen pending answers, and the budget.
    expect((await proxy.stats()).bufferedBytes).toBeWithin(1, 2_000_000);
    expect(asked).toBeLessThan(400);
    socket.resume();
    socket.shutdown();
    expect(await socket.closed.promise).toBe("closed");
    expect(server.seen.length).toBe(500);
    expect((await proxy.stats()).bufferedBytes).toBe(0);
  }, 30_000);

  test("is closed when it is idle, or when a query is too long", async () => {
    await using proxy = await start([A], { dnsIdleTimeoutMs: 500 });
    const { socket: idle } = await open();
    expect(await idle.closed.promise).toBe("ECONNRESET");
    expect(await proxy.nextLog()).toMatchObject({ kind: "dns", outcome: "timeout:idle", question: null });
    const { socket: long } = await open();
    await long.write(Uint8Array.from([0xff, 0xff, 1, 2, 3]));
    expect(await long.closed.promise).toBe("ECONNRESET");
    expect(await proxy.nextLog()).toMatchObject({ outcome: "refused:malformed" });
  });
});

test("stopping answers the pending queries, and ends the process", async () => {
  await using proxy = await start([A]);
  using server = await resolver(A, (received) => void setTimeout(() => answering("x")(received), 200));
  const asking = ask([query({ name: "a.example" })]);
  while (server.seen.length === 0) await Bun.sleep(2);
  proxy.command("stop");
  expect((await asking).length).toBe(1);
  expect(await proxy.exited).toBe(0);
});
