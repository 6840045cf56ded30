/**
 * A proxy that goes nowhere: it tells every client where that was going, which only the kernel can know.
 *
 *     bun redirect/listener.ts PORT...
 *
 * A TCP client's first line says what is to be done; the answer's first line is an {@link Answer} as JSON.
 *
 *     where     the answer, and the end
 *     echo      the answer, then everything comes back, until the client ends: then "N bytes" and the end
 *     finish    the answer and our end at once; event received {bytes} when the client has ended, too
 *     reset     the answer, then a reset
 *
 * A datagram comes back with the port it came to before it: "9053 question". One that says "in 3000 bytes" comes back
 * so long, filled up with dots.
 */
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { getSocketOption } from "@dp/sys";

/** What a connection looks like from here. */
export interface Answer {
  /** The port it was accepted on. */
  readonly listener: number;
  /** SO_ORIGINAL_DST, "192.0.2.80:443"; null when the kernel knows none. */
  readonly original: string | null;
  /** The client, "10.2.0.1:40000". */
  readonly from: string;
}

const SOL_IP = 0;
const SO_ORIGINAL_DST = 80;

const tell = (event: string, fields: object) => console.log(JSON.stringify({ event, ...fields }));

function originalDestination(socket: Socket): string | null {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const sockaddr = Buffer.alloc(16);
  if (getSocketOption(fd, SOL_IP, SO_ORIGINAL_DST, sockaddr) < 0) return null;
  return `${sockaddr.subarray(4, 8).join(".")}:${sockaddr.readUInt16BE(2)}`;
}

function serve(socket: Socket, verb: string, bytes: () => number): void {
  const { localPort: listener = 0, remoteAddress, remotePort } = socket;
  const answer: Answer = { listener, original: originalDestination(socket), from: `${remoteAddress}:${remotePort}` };
  socket.write(`${JSON.stringify(answer)}\n`);
  if (verb === "where" || verb === "finish") socket.end();
  if (verb === "reset") socket.resetAndDestroy();
  socket.on("end", () => {
    if (verb === "echo") socket.end(`${bytes()} bytes\n`);
    if (verb === "finish") tell("received", { bytes: bytes() });
  });
}

function accept(socket: Socket): void {
  let verb: string | undefined;
  let bytes = 0;
  let head = "";
  socket.on("data", (data: Buffer) => {
    let rest = data;
    if (verb === undefined) {
      head += data.toString("latin1");
      if (!head.includes("\n")) return;
      [verb] = head.split("\n", 1) as [string];
      rest = Buffer.from(head.slice(verb.length + 1), "latin1");
      serve(socket, verb, () => bytes);
    }
    bytes += rest.length;
    if (verb === "echo" && rest.length > 0) socket.write(rest);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => tell("broken", { code: error.code }));
}

async function listen(port: number): Promise<void> {
  const udp = createSocket("udp4");
  udp.on("message", (question, { address, port: to }) => {
    const [, length = "0"] = / in (\d+) bytes$/.exec(question.toString()) ?? [];
    udp.send(`${port} ${question}`.padEnd(Number(length), "."), to, address);
  });
  await new Promise<void>((resolve) => udp.bind(port, "0.0.0.0", resolve));
  const tcp = createServer({ allowHalfOpen: true }, accept);
  await new Promise<void>((resolve) => tcp.listen({ port, host: "0.0.0.0", backlog: 4096 }, resolve));
}

if (import.meta.main) {
  await Promise.all(process.argv.slice(2).map((port) => listen(Number(port))));
  tell("listening", {});
}
