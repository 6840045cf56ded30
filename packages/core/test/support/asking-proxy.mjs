// A proxy that tells each client what its sockets say: run under Bun, in a cgroup and a network namespace. It listens on
// the ports given, the first on 0.0.0.0 and the others on [::], answers each connection with one line of JSON, the
// results of the getsockopt calls given as [level, name, length], and ends. A client that says "stay" first is kept.
import { createServer } from "node:net";
import { getSocketOption } from "@dp/sys";

const [ports, asks] = process.argv.slice(2).map((text) => JSON.parse(text));

function ask(fd, [level, name, length]) {
  const value = new Uint8Array(length).fill(0xee);
  const result = getSocketOption(fd, level, name, value);
  return { result, value: Buffer.from(value.subarray(0, 16)).toString("hex") };
}

let listening = 0;
for (const [index, port] of ports.entries()) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const fd = socket._handle.fd;
    const { remoteAddress, remotePort } = socket;
    const answer = `${JSON.stringify({ port, remoteAddress, remotePort, asked: asks.map((each) => ask(fd, each)) })}\n`;
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.once("data", (data) => (data.toString() === "stay" ? socket.write(answer) : socket.end(answer)));
  });
  server.listen({ port, host: index === 0 ? "0.0.0.0" : "::", backlog: 4096 }, () => {
    if (++listening === ports.length) console.log("ready");
  });
}
