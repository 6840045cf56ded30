/**
 * A DNS resolver somewhere on the internet, which knows a few names. Tells every query as JSON lines.
 *
 *     bun internet/resolver.ts ADDRESS NAME=IPV4...
 */
import { createSocket } from "node:dgram";

const [address, ...entries] = process.argv.slice(2);
const names = new Map(entries.map((entry) => entry.split("=") as [name: string, ip: string]));
const tell = (event: string, fields: object) => console.log(JSON.stringify({ event, ...fields }));

const HEADER = 12;
const TYPE_A = 1;
const NO_SUCH_NAME = 3;

/** The name in the question (RFC 1035 4.1.2), and where it ends: labels, each after its length. */
function question(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = HEADER;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

function answer(query: Buffer): Buffer {
  const { name, end } = question(query);
  const type = query.readUInt16BE(end);
  const ip = names.get(name);
  const records = ip !== undefined && type === TYPE_A ? [record(ip)] : [];
  tell("query", { name, type, answers: records.length });
  const reply = Buffer.concat([query.subarray(0, end + 4), ...records]);
  // A response, to a recursive query, recursion available (4.1.1).
  reply.writeUInt16BE(0x8180 | (ip === undefined ? NO_SUCH_NAME : 0), 2);
  reply.writeUInt16BE(records.length, 6);
  // No authority, and no additional records: what EDNS asked for is not copied.
  reply.writeUInt32BE(0, 8);
  return reply;
}

/** An A record for the name in the question, good for a minute (4.1.3; the pointer is 4.1.4). */
function record(ip: string): Buffer {
  const data = Buffer.alloc(16);
  data.writeUInt16BE(0xc000 | HEADER, 0);
  data.writeUInt16BE(TYPE_A, 2);
  data.writeUInt16BE(1, 4);
  data.writeUInt32BE(60, 6);
  data.writeUInt16BE(4, 10);
  data.set(ip.split(".").map(Number), 12);
  return data;
}

const socket = createSocket("udp4");
socket.on("message", (query, { address: to, port }) => socket.send(answer(query), port, to));
socket.bind(53, address, () => tell("listening", { address, port: 53 }));
