/**
 * A player's side of traffic/server.ts.
 *
 *     bun traffic/client.ts ADDRESS PORT download BYTES    events: connected, done {seconds, sent, received}
 *     bun traffic/client.ts ADDRESS PORT upload BYTES      the same
 *     bun traffic/client.ts ADDRESS PORT echo SECONDS [SOURCE-PORT]
 *                                                          events: connected, echo (one a 50 ms), closed, done
 *
 * Exit status 1 when it cannot connect or the connection breaks: event failed {code}.
 */
import { connect } from "node:net";
import { DIGEST_LENGTH, Sink, Source } from "./stream.ts";

const [address, port, verb, amount, sourcePort] = process.argv.slice(2) as [string, string, string, string, string?];

const tell = (event: string, fields: object = {}) => console.log(JSON.stringify({ event, ...fields }));

function fail(code: string): never {
  tell("failed", { code });
  process.exit(1);
}

function transfer(bytes: number): void {
  const start = performance.now();
  const sink = verb === "download" ? new Sink(bytes) : undefined;
  const source = verb === "upload" ? new Source(bytes) : undefined;
  let answer = "";
  void Bun.connect({
    hostname: address,
    port: Number(port),
    socket: {
      open(socket) {
        tell("connected");
        socket.write(sink === undefined ? `receive ${bytes}\n` : `send ${bytes}\n`);
        source?.pump(socket);
      },
      data(socket, chunk) {
        let digests = sink?.take(chunk);
        if (source !== undefined) {
          answer += chunk.toString("latin1");
          if (answer.length === DIGEST_LENGTH) digests = { sent: source.digest, received: answer };
        }
        if (digests === undefined) return;
        tell("done", { ...digests, seconds: (performance.now() - start) / 1000 });
        socket.end();
        process.exit(0);
      },
      drain: (socket) => void source?.pump(socket),
      close: () => fail("closed"),
      error: (_, error) => fail((error as NodeJS.ErrnoException).code ?? error.message),
      connectError: (_, error) => fail((error as NodeJS.ErrnoException).code ?? error.message),
    },
  }).catch(() => {});
}

// node:net, because it lets a client choose its source port.
function echo(seconds: number): void {
  const options = sourcePort === undefined ? {} : { localPort: Number(sourcePort) };
  const socket = connect({ host: address, port: Number(port), ...options });
  socket.on("connect", () => {
    tell("connected", { port: socket.localPort });
    socket.write("echo\nhello");
    const beat = setInterval(() => socket.write("hello"), 50);
    setTimeout(() => {
      clearInterval(beat);
      tell("done");
      process.exit(0);
    }, seconds * 1000);
  });
  socket.on("data", () => tell("echo"));
  socket.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  socket.on("close", () => fail("closed"));
}

if (verb === "echo") echo(Number(amount));
else transfer(Number(amount));
