/**
 * Opens connections to traffic/server.ts, asks each for so many bytes and reads none of them, until SIGUSR2 says so.
 *
 *     bun egress/stall.ts ADDRESS PORT COUNT BYTES
 *
 * Events: stalled {open}, when something has arrived on each or it has ended; received {received, sent}, the SHA-256 of
 * what one got and of what was sent to it; broken {code} for one that ended before.
 */
import { connect } from "node:net";
import { Sink } from "../traffic/stream.ts";

const [host, port, count, bytes] = process.argv.slice(2) as [string, string, string, string];
const tell = (event: string, fields: object = {}) => console.log(JSON.stringify({ event, ...fields }));

let open = 0;
let broken = 0;
const settled = () => {
  if (open + broken === Number(count)) tell("stalled", { open });
};

const sockets = Array.from({ length: Number(count) }, () => {
  const socket = connect({ host, port: Number(port) });
  const sink = new Sink(Number(bytes));
  socket.on("connect", () => socket.write(`send ${bytes}\n`));
  socket.once("data", () => {
    socket.pause();
    stalled = true;
    open++;
    settled();
  });
  let stalled = false;
  let done = false;
  socket.on("data", (chunk: Buffer) => {
    const digests = sink.take(chunk);
    if (digests === undefined) return;
    done = true;
    tell("received", digests);
    socket.end();
  });
  let code = "closed";
  socket.on("error", (error: NodeJS.ErrnoException) => {
    code = error.code ?? error.message;
  });
  socket.on("close", () => {
    if (done) return;
    tell("broken", { code });
    if (stalled) return;
    broken++;
    settled();
  });
  return socket;
});
// Nothing else keeps the process while all of them are paused.
const keep = setInterval(() => {}, 60_000);
process.on("SIGUSR2", () => {
  clearInterval(keep);
  for (const socket of sockets) socket.resume();
});
