/**
 * A TCP server that does what a connection's first line asks for: `send N` bytes, `receive N` bytes, or `echo`.
 * Tells every connection's peer address, and every digest, as JSON lines.
 *
 *     bun traffic/server.ts PORT [KEY CERTIFICATE]      with the files of a key and its certificate it speaks TLS
 */
import { readFileSync } from "node:fs";
import { Sink, Source } from "./stream.ts";

type Role = { source: Source } | { sink: Sink } | "echo";

interface State {
  role: Role | undefined;
}

const tell = (event: string, fields: object) => console.log(JSON.stringify({ event, ...fields }));

function roleOf(line: string): Role {
  const [verb, bytes] = line.split(" ");
  if (verb === "send") return { source: new Source(Number(bytes)) };
  if (verb === "receive") return { sink: new Sink(Number(bytes)) };
  return "echo";
}

function receive(socket: Bun.Socket<State>, chunk: Uint8Array): void {
  const { role } = socket.data;
  if (role === undefined) {
    const end = chunk.indexOf(10);
    if (end < 0) throw new Error("the first line has to come in one piece");
    const started = roleOf(new TextDecoder().decode(chunk.subarray(0, end)));
    socket.data.role = started;
    if (started !== "echo" && "source" in started) started.source.pump(socket);
    else if (end + 1 < chunk.length) receive(socket, chunk.subarray(end + 1));
  } else if (role === "echo") {
    socket.write(chunk);
  } else if ("sink" in role) {
    const digests = role.sink.take(chunk);
    if (digests !== undefined) {
      tell("received", digests);
      socket.write(digests.received);
    }
  }
}

const [port, key, certificate] = process.argv.slice(2);
const tls = key === undefined ? {} : { tls: { key: readFileSync(key), cert: readFileSync(certificate as string) } };

const server = Bun.listen<State>({
  hostname: "0.0.0.0",
  port: Number(port),
  ...tls,
  socket: {
    open(socket) {
      socket.data = { role: undefined };
      tell("connection", { address: socket.remoteAddress, port: socket.remotePort });
    },
    data: receive,
    drain(socket) {
      const { role } = socket.data;
      if (typeof role === "object" && "source" in role) role.source.pump(socket);
    },
    close: () => tell("closed", {}),
    error: (_, error) => tell("error", { message: error.message }),
  },
});
tell("listening", { port: server.port });
