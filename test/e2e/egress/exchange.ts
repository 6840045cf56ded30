/**
 * Both ways at once through one TCP connection, each way closed by itself: each side sends its bytes and then its FIN,
 * and takes the other's until their FIN.
 *
 *     bun egress/exchange.ts serve PORT BYTES              events: listening, exchanged {sent, received}
 *     bun egress/exchange.ts connect ADDRESS PORT BYTES    the second one
 *
 * The client sends nothing before the server's FIN has come if BYTES is given as "after:BYTES".
 */
import { createHash } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";

const BLOCK = 65536;
const tell = (event: string, fields: object) => console.log(JSON.stringify({ event, ...fields }));

/** Sends so many bytes, no two blocks alike, then FIN. Resolves to their SHA-256 in hexadecimal. */
async function send(socket: Socket, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  const block = Buffer.alloc(BLOCK, "0123456789abcde");
  for (let sent = 0, number = 0; sent < bytes; sent += BLOCK) {
    block.writeUInt32BE(number++);
    const part = Buffer.from(block.subarray(0, Math.min(BLOCK, bytes - sent)));
    hash.update(part);
    if (!socket.write(part)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
  return hash.digest("hex");
}

/** The SHA-256 of all that arrives before FIN. */
function receive(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  socket.on("data", (chunk: Buffer) => hash.update(chunk));
  return new Promise((resolve) => socket.on("end", () => resolve(hash.digest("hex"))));
}

async function exchange(socket: Socket, bytes: string): Promise<void> {
  socket.on("error", ({ message }) => tell("failed", { message }));
  const receiving = receive(socket);
  const late = bytes.startsWith("after:");
  if (late) await receiving;
  const sent = await send(socket, Number(bytes.replace("after:", "")));
  tell("exchanged", { sent, received: await receiving });
}

const [verb, ...rest] = process.argv.slice(2) as [string, ...string[]];
if (verb === "serve") {
  const [port, bytes] = rest as [string, string];
  const server = createServer({ allowHalfOpen: true }, (socket) => void exchange(socket, bytes));
  server.listen(Number(port), "0.0.0.0", () => tell("listening", {}));
} else {
  const [host, port, bytes] = rest as [string, string, string];
  const socket = connect({ host, port: Number(port), allowHalfOpen: true });
  socket.on("connect", () => void exchange(socket, bytes));
}
