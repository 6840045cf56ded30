/**
 * Sends one packet, and does not care what becomes of it.
 *
 *     bun send.ts udp ADDRESS PORT [SOURCE-ADDRESS]
 *     bun send.ts tcp ADDRESS PORT [SOURCE-PORT]
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

const [protocol, address, port, source] = process.argv.slice(2) as [string, string, string, string?];

/** Long enough for a SYN to leave. */
const TCP_MS = 1000;

if (protocol === "udp") {
  const socket = createSocket("udp4");
  socket.on("error", () => process.exit(1));
  socket.bind(0, source, () => socket.send("?", Number(port), address, () => socket.close()));
} else {
  const options = source === undefined ? {} : { localPort: Number(source) };
  const socket = connect({ host: address, port: Number(port), ...options });
  socket.on("error", () => process.exit(1));
  setTimeout(() => process.exit(0), TCP_MS);
}
