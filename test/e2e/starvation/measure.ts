/**
 * Asks a resolver and connects to a server, one after the other, and tells how many were answered and how long the
 * slowest of a hundred took, in ms: event measured {queries, connections, queryP99, connectionP99}.
 *
 *     bun starvation/measure.ts COUNT RESOLVER SERVER:PORT
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

const [count = "", resolver = "", server = ""] = process.argv.slice(2);
const [host = "", port = ""] = server.split(":");
/** Far beyond what a retransmission takes. */
const PATIENCE_MS = 10_000;
/** A query is sent again, as resolvers do: a busy machine may lose a datagram of it or of its answer. */
const AGAIN_MS = 2000;
const QUERY = Buffer.from(
  "00010100000100000000000003777777076578616d706c650474657374000001 0001".replaceAll(" ", ""),
  "hex",
);

function query(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const done = (answered: boolean) => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      resolve(answered);
    };
    const timer = setTimeout(() => done(false), PATIENCE_MS);
    const again = setInterval(() => socket.send(QUERY, 53, resolver), AGAIN_MS);
    socket.on("error", () => done(false));
    socket.on("message", (answer) => done((answer[3] ?? 0) % 16 !== 5 /* REFUSED */));
    socket.send(QUERY, 53, resolver);
  });
}

function connection(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const done = (answered: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(() => done(false), PATIENCE_MS);
    socket.on("connect", () => socket.write("echo\nhello"));
    socket.on("data", () => done(true));
    socket.on("error", () => done(false));
    socket.on("close", () => done(false));
  });
}

async function measure(what: () => Promise<boolean>): Promise<{ answered: number; p99: number }> {
  const times: number[] = [];
  let answered = 0;
  for (let at = 0; at < Number(count); at++) {
    const start = performance.now();
    if (await what()) answered++;
    times.push(performance.now() - start);
  }
  times.sort((one, other) => one - other);
  return { answered, p99: times[Math.ceil(times.length * 0.99) - 1] ?? 0 };
}

const queries = await measure(query);
const connections = await measure(connection);
console.log(
  JSON.stringify({
    event: "measured",
    queries: queries.answered,
    connections: connections.answered,
    queryP99: queries.p99,
    connectionP99: connections.p99,
  }),
);
