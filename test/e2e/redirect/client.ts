/**
 * What runs in a container and asks a redirect/listener.ts where it was going.
 *
 *     bun redirect/client.ts ask '{"to": ["192.0.2.80:443"], "times": 3000, "together": 100}'
 *         connections to each in turn                            events: answer {to, ...} or failed {to, code}; done
 *     bun redirect/client.ts hold '{"to": [...], "sourcePort": 40000}'
 *         all of them open at once, from one port if it is given; each says what no other says, and ends half first
 *                                                        events: answer {to, ...}, echoed {to, text, last} each; done
 *     bun redirect/client.ts chat '{"to": ["..."], "bytes": 60000}'
 *         a word there and back, with no pause if it is a long one    events: answer, word...
 *     bun redirect/client.ts finish '{"to": ["..."], "bytes": 1000}'
 *         the other side ends first, and then hears so much      events: answer, ended; done
 *     bun redirect/client.ts reset '{"to": [...]}'               events: answer, failed {code}; done
 *     bun redirect/client.ts leave '{"to": [...]}'               answer, and a reset from here; done
 *     bun redirect/client.ts query '{"to": [...], "rounds": 3, "sourcePort": 40000}'
 *         datagrams from one socket, to all before the answers   events: reply {from, text, bytes}; done
 *         with "bytes": 3000 they ask for an answer of that length
 *     bun redirect/client.ts knock '{"to": [...]}'
 *         a datagram to each, from connected sockets, until an error comes back     events: failed {to, code}; done
 *     bun redirect/client.ts flood '{"to": ["..."], "times": 16384}'
 *         one datagram to this address and each after it, with no wait for answers; done
 */
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { connect, type Socket } from "node:net";
import type { Answer } from "./listener.ts";

interface What {
  readonly to: readonly string[];
  readonly times?: number;
  readonly together?: number;
  readonly sourcePort?: number;
  readonly bytes?: number;
  readonly rounds?: number;
}

const [verb, json] = process.argv.slice(2) as [string, string];
const what = JSON.parse(json) as What;
const tell = (event: string, fields: object = {}) => console.log(JSON.stringify({ event, ...fields }));

function endpoint(text: string): { host: string; port: number } {
  const [host, port] = text.split(":") as [string, string];
  return { host, port: Number(port) };
}

/** A connection, its lines, and how it ends. */
class Connection {
  readonly to: string;
  readonly socket: Socket;
  readonly closed: Promise<string | undefined>;
  readonly #lines: string[] = [];
  readonly #waiting: (() => void)[] = [];
  #rest = "";
  #over = false;

  constructor(to: string, ask: string) {
    this.to = to;
    const from = what.sourcePort === undefined ? {} : { localPort: what.sourcePort };
    const socket = connect({ ...endpoint(to), ...from, allowHalfOpen: true }, () => socket.write(`${ask}\n`));
    this.socket = socket;
    socket.on("data", (data: Buffer) => {
      const lines = (this.#rest + data.toString("latin1")).split("\n");
      this.#rest = lines.pop() as string;
      this.#lines.push(...lines);
      this.#wake();
    });
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.closed = promise;
    let code: string | undefined;
    socket.on("error", (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
    socket.on("end", () => this.#stop());
    socket.on("close", () => {
      resolve(code);
      this.#stop();
    });
  }

  #stop(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Undefined when no more come. */
  async line(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#lines.shift();
  }

  /** Tells the other side's answer, or why there is none. */
  async answer(): Promise<boolean> {
    const line = await this.line();
    if (line === undefined) tell("failed", { to: this.to, code: (await this.closed) ?? "closed" });
    else tell("answer", { to: this.to, ...(JSON.parse(line) as Answer) });
    return line !== undefined;
  }
}

async function ask(): Promise<void> {
  const { to, times = to.length, together = 1 } = what;
  let next = 0;
  const one = async () => {
    while (next < times) {
      const connection = new Connection(to[next++ % to.length] as string, "where");
      await connection.answer();
      connection.socket.end();
      await connection.closed;
    }
  };
  await Promise.all(Array.from({ length: together }, one));
}

async function hold(): Promise<void> {
  const connections = what.to.map((to) => new Connection(to, "echo"));
  await Promise.all(connections.map((each) => each.answer()));
  await Promise.all(
    connections.map(async (each) => {
      each.socket.write(`this goes to ${each.to}\n`);
      const text = await each.line();
      each.socket.end();
      tell("echoed", { to: each.to, text, last: await each.line() });
      await each.closed;
    }),
  );
}

async function chat(): Promise<void> {
  const connection = new Connection(what.to[0] as string, "echo");
  await connection.answer();
  const { bytes } = what;
  const word = `${"word".padEnd(bytes ?? 0, ".")}\n`;
  connection.socket.setNoDelay().write(word);
  for (;;) {
    connection.socket.write(word);
    if ((await connection.line()) === undefined) break;
    tell("word");
    if (bytes === undefined) await Bun.sleep(100);
  }
  tell("failed", { to: connection.to, code: (await connection.closed) ?? "closed" });
}

async function single(): Promise<void> {
  const connection = new Connection(what.to[0] as string, verb === "leave" ? "echo" : verb);
  const { socket } = connection;
  await connection.answer();
  if (verb === "leave") socket.resetAndDestroy();
  if (verb === "finish") {
    await connection.line();
    tell("ended");
    socket.end(Buffer.alloc(what.bytes ?? 0));
  }
  const code = await connection.closed;
  if (verb === "reset") tell("failed", { to: connection.to, code: code ?? "closed" });
}

const send = (socket: Datagrams, text: string, to: string) =>
  new Promise<void>((resolve) => {
    const { host, port } = endpoint(to);
    socket.send(text, port, host, () => resolve());
  });

async function datagrams(): Promise<Datagrams> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(what.sourcePort ?? 0, resolve));
  return socket;
}

async function query(): Promise<void> {
  const socket = await datagrams();
  const { to, rounds = 1, bytes } = what;
  const length = bytes === undefined ? "" : `, in ${bytes} bytes`;
  let missing = 0;
  let answered = () => {};
  socket.on("message", (reply, { address, port }) => {
    const text = reply.toString().replace(/\.*$/, "");
    tell("reply", { from: `${address}:${port}`, text, bytes: reply.length });
    if (--missing === 0) answered();
  });
  for (let round = 1; round <= rounds; round++) {
    missing = to.length;
    const all = new Promise<void>((resolve) => (answered = resolve));
    for (const each of to) await send(socket, `question ${round} to ${each}${length}`, each);
    await all;
  }
}

async function knock(): Promise<void> {
  for (const to of what.to) {
    const { host, port } = endpoint(to);
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.connect(port, host, resolve));
    const code = await new Promise((resolve) => {
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.send("knock");
    });
    tell("failed", { to, code });
    socket.close();
  }
}

async function flood(): Promise<void> {
  const socket = await datagrams();
  const { host, port } = endpoint(what.to[0] as string);
  const first = Buffer.from(host.split(".").map(Number)).readUInt32BE();
  const address = Buffer.alloc(4);
  for (let at = 0; at < (what.times ?? 1); at++) {
    address.writeUInt32BE(first + at);
    await send(socket, "", `${address.join(".")}:${port}`);
  }
}

const run = { ask, hold, chat, query, knock, flood }[verb] ?? single;
await run();
tell("done");
process.exit(0);
