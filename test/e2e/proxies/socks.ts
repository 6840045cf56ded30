/**
 * A SOCKS5 proxy (RFC 1928) without authentication that connects to IPv4 addresses. Tells every request.
 *
 *     bun proxies/socks.ts ADDRESS PORT
 */
import { connect, createServer, type Socket } from "node:net";

const [address, port] = process.argv.slice(2) as [string, string];
const tell = (event: string, fields: object) => console.log(JSON.stringify({ event, ...fields }));

const NO_AUTHENTICATION = Uint8Array.of(5, 0);
/** Version 5, CONNECT, reserved, an IPv4 address (section 4); the address and the port follow. */
const CONNECT_IPV4 = Buffer.of(5, 1, 0, 1);
const REQUEST_LENGTH = 10;
/** Version 5, succeeded, reserved, an IPv4 address; which one does not matter (section 6). */
const SUCCEEDED = Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0);

function greet(client: Socket): void {
  let held = Buffer.alloc(0);
  let greeted = false;
  const read = (data: Buffer) => {
    held = Buffer.concat([held, data]);
    // The methods it offers, after how many there are (section 3).
    const greeting = 2 + (held[1] ?? 0);
    if (!greeted && held.length >= 2 && held.length >= greeting) {
      greeted = true;
      held = held.subarray(greeting);
      client.write(NO_AUTHENTICATION);
    }
    if (!greeted || held.length < REQUEST_LENGTH) return;
    client.off("data", read);
    client.pause();
    relay(client, held.subarray(0, REQUEST_LENGTH), held.subarray(REQUEST_LENGTH));
  };
  client.on("data", read);
  client.on("error", () => {});
}

function relay(client: Socket, request: Buffer, rest: Buffer): void {
  if (!request.subarray(0, 4).equals(CONNECT_IPV4)) throw new Error(`not what this can do: ${request.toString("hex")}`);
  const to = { host: request.subarray(4, 8).join("."), port: request.readUInt16BE(8) };
  tell("request", { to: `${to.host}:${to.port}` });
  const server = connect({ ...to, allowHalfOpen: true }, () => {
    client.write(SUCCEEDED);
    server.write(rest);
    client.pipe(server);
    server.pipe(client);
  });
  server.on("error", () => client.destroy());
}

createServer({ allowHalfOpen: true }, greet).listen(Number(port), address, () => tell("listening", { address, port }));
