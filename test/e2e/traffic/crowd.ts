/**
 * Many players at once, of traffic/server.ts: some who stay, and others who come and go.
 *
 *     bun traffic/crowd.ts ADDRESS PORT STREAMS PER-SECOND
 *
 * Each of STREAMS connections sends a block, waits for it to come back byte by byte, and goes on with the next.
 * PER-SECOND others are opened, say something, are answered and end. Events: beat {rounds, opened, answered}, four a
 * second, with the blocks each stream has got back; after SIGTERM done {opened, answered}, once those under way are
 * done; failed {why}, as often as something goes wrong.
 */
import { connect, type Socket } from "node:net";

const [address, port, streams, perSecond] = process.argv.slice(2) as [string, string, string, string];

const BLOCK = 4096;
const PAUSE_MS = 50;

const rounds = Array.from({ length: Number(streams) }, () => 0);
let opened = 0;
let answered = 0;
/** No new connections; those that are open finish. */
let closing = false;
let stopping = false;

const tell = (event: string, fields: object = {}) => console.log(JSON.stringify({ event, ...fields }));

function failed(what: string, error?: NodeJS.ErrnoException): void {
  if (!stopping) tell("failed", { why: `${what}: ${error?.code ?? error?.message ?? "closed"}` });
}

function open(): Socket {
  return connect({ host: address, port: Number(port), noDelay: true });
}

/** What it sends the nth time: no two blocks, and no two bytes' surroundings, are the same. */
function block(stream: number, round: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 8) {
    bytes.writeUInt32LE((Math.imul(round, 0x9e3779b1) ^ (stream << 24)) >>> 0, at);
    bytes.writeUInt32LE(at, at + 4);
  }
  return bytes;
}

function stay(stream: number): void {
  const socket = open();
  let sent: Uint8Array = new Uint8Array(0);
  let back = 0;
  const send = () => {
    sent = block(stream, rounds[stream] as number);
    back = 0;
    socket.write(sent);
  };
  socket.on("connect", () => {
    socket.write("echo\n");
    send();
  });
  socket.on("data", (chunk: Buffer) => {
    if (!chunk.equals(sent.subarray(back, back + chunk.length))) failed(`stream ${stream}: other bytes than were sent`);
    back += chunk.length;
    if (back < sent.length) return;
    rounds[stream] = (rounds[stream] as number) + 1;
    setTimeout(send, PAUSE_MS);
  });
  socket.on("error", (error) => failed(`stream ${stream}`, error));
  socket.on("close", () => failed(`stream ${stream}`));
}

function comeAndGo(): void {
  const number = opened++;
  const socket = open();
  let done = false;
  socket.on("connect", () => socket.write(`echo\n${number}\n`));
  socket.on("data", (chunk: Buffer) => {
    done = chunk.toString() === `${number}\n`;
    if (!done) return failed(`connection ${number}: other bytes than were sent`);
    answered += 1;
    socket.end();
  });
  socket.on("error", (error) => failed(`connection ${number}`, error));
  socket.on("close", () => {
    if (!done) failed(`connection ${number}`);
  });
}

for (let stream = 0; stream < rounds.length; stream++) stay(stream);

const start = performance.now();
setInterval(() => {
  if (closing) return;
  // As many as are due: a machine that is busy gets them later, not fewer.
  const due = ((performance.now() - start) / 1000) * Number(perSecond);
  for (let burst = 0; opened < due && burst < 20; burst++) comeAndGo();
}, 5);
setInterval(() => tell("beat", { rounds, opened, answered }), 250);

process.on("SIGTERM", () => {
  closing = true;
  const end = () => {
    if (answered < opened) return void setTimeout(end, 50);
    stopping = true;
    tell("done", { opened, answered });
    process.exit(0);
  };
  end();
});
